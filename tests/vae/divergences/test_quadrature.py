"""Divergences by quadrature, against closed forms, sampling, and one another."""

import math
from functools import partial

import pytest
import torch
from torch.distributions import Normal

from vae.divergences import (
    arithmetic_js_divergence,
    geometric_js_divergence,
    kl_divergence,
    quadrature,
    reverse_kl_divergence,
)

FORMS = [{"dual": dual, "skew": skew} for skew in ("paper", "nielsen") for dual in (False, True)]
close = partial(torch.testing.assert_close, rtol=1e-10, atol=1e-13)


def scalar(x):
    return torch.tensor([x], dtype=torch.float64)


@pytest.fixture
def plane():
    """A diagonal Gaussian q and the standard normal p in two dimensions, as log-densities on a grid."""
    axis = torch.linspace(-12, 12, 241, dtype=torch.float64)
    z = torch.cartesian_prod(axis, axis)
    mean = torch.tensor([0.7, -0.4], dtype=torch.float64, requires_grad=True)
    logvar = torch.tensor([-0.9, 0.3], dtype=torch.float64, requires_grad=True)
    log_q = Normal(mean, torch.exp(logvar / 2)).log_prob(z).sum(-1)
    log_p = Normal(torch.zeros_like(mean), 1.0).log_prob(z).sum(-1)
    return mean, logvar, log_q, log_p, (axis[1] - axis[0]).item() ** 2


def check(value, expected, leaves):
    close(value, expected)
    gradients = [torch.autograd.grad(x, leaves, retain_graph=True) for x in (value, expected)]
    for gradient, expected_gradient in zip(*gradients, strict=True):
        close(gradient, expected_gradient, atol=1e-12)


def test_grid_kl(plane):
    mean, logvar, log_q, log_p, cell = plane
    check(quadrature.grid_kl_divergence(log_q, log_p, cell), kl_divergence(mean, logvar), (mean, logvar))
    reverse = reverse_kl_divergence(mean, logvar)
    check(quadrature.grid_kl_divergence(log_p, log_q, cell), reverse, (mean, logvar))


@pytest.mark.parametrize("form", FORMS, ids=lambda form: f"{form['skew']}-{form['dual']}")
@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.5, 1.0])
def test_grid_geometric_js(plane, form, alpha):
    mean, logvar, log_q, log_p, cell = plane
    value = quadrature.grid_geometric_js_divergence(log_q, log_p, alpha, cell, **form)
    check(value, geometric_js_divergence(mean, logvar, alpha, **form), (mean, logvar))


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_grid_arithmetic_js(alpha):
    z = torch.linspace(-14, 14, 2801, dtype=torch.float64)
    mean, logvar = (x.requires_grad_() for x in (scalar(0.7), scalar(-0.9)))
    log_q = Normal(mean, torch.exp(logvar / 2)).log_prob(z)
    log_p = Normal(scalar(0.0), 1.0).log_prob(z)
    value = quadrature.grid_arithmetic_js_divergence(log_q, log_p, alpha, torch.full_like(z, 0.01))
    check(value, arithmetic_js_divergence(mean, logvar, alpha), (mean, logvar))


def test_integrands():
    """Those of Figure 1, at each node, by the definitions; JS's lies between 0 and log 2 times the mean density."""
    z = torch.linspace(-20, 20, 801, dtype=torch.float64)
    parameters = ((2.0, 2.0), (-2.0, 1.0), (-1.2, math.sqrt(1.6)))
    log_q, log_p, between = (Normal(scalar(mean), scalar(std)).log_prob(z) for mean, std in parameters)
    middle = (log_q.exp() + log_p.exp()) / 2
    js = quadrature.arithmetic_js_integrand(log_q, log_p, 0.5)
    assert (js >= 0).all()
    assert (js <= math.log(2) * middle + 1e-16).all()
    expected = [log.exp() * (log - middle.log()) / 2 for log in (log_q, log_p)]
    close(js, sum(expected), atol=1e-14)
    primal = quadrature.geometric_js_integrand(log_q, log_p, 0.5, 0.05)
    close(primal, sum(log.exp() * (log - between) / 2 for log in (log_q, log_p)), atol=1e-14)
    dual = quadrature.geometric_js_integrand(log_q, log_p, 0.5, 0.05, dual=True)
    close(dual, sum(between.exp() * (between - log) / 2 for log in (log_q, log_p)), atol=1e-14)
    assert primal.min() < -0.09


def test_grid_functions_are_batched():
    z = torch.linspace(-12, 12, 481, dtype=torch.float64)
    log_q = Normal(torch.tensor([[-1.0], [0.5]], dtype=torch.float64), 1.0).log_prob(z)
    log_p = Normal(torch.zeros(1, dtype=torch.float64), 1.5).log_prob(z)
    alpha = torch.tensor([0.2, 0.7], dtype=torch.float64)
    for function in (quadrature.grid_arithmetic_js_divergence, quadrature.grid_geometric_js_divergence):
        value = function(log_q, log_p, alpha, 0.05)
        assert value.shape == (2,)
        for i in range(2):
            close(value[i], function(log_q[i], log_p, alpha[i].item(), 0.05))


def test_errors():
    grid = torch.zeros(5)
    for function in (
        partial(quadrature.grid_arithmetic_js_divergence, grid, grid, cell=1.0),
        partial(quadrature.grid_geometric_js_divergence, grid, grid, cell=1.0),
    ):
        with pytest.raises(ValueError, match=r"alpha must lie in \[0, 1\], got 1.5"):
            function(alpha=1.5)
    with pytest.raises(ValueError, match="skew must be one of"):
        quadrature.grid_geometric_js_divergence(grid, grid, 0.5, 1.0, skew="x")
    with pytest.raises(ValueError, match=r"log_q \(5,\), log_p \(4,\)"):
        quadrature.grid_kl_divergence(grid, grid[:4], 1.0)
