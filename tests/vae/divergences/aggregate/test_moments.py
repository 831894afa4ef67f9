"""The penalties of DIP-VAE."""

from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vae.divergences import dip_penalties

close = partial(torch.testing.assert_close, rtol=1e-10, atol=1e-12)
PROPERTY = settings(max_examples=40, deadline=None, derandomize=True)


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def test_first_is_of_the_covariance_of_the_means():
    mean = normal(20, 3)
    covariance = torch.cov(mean.T, correction=0)
    off_diagonal, diagonal = dip_penalties(mean)
    close(off_diagonal, (covariance - torch.diag(covariance.diag())).square().sum())
    close(diagonal, (covariance.diag() - 1).square().sum())


def test_second_is_of_the_covariance_of_the_aggregate_posterior():
    """That of a million samples of it, and the penalties of the means with the mean variance added."""
    mean, logvar = normal(20, 3), normal(20, 3, seed=1)
    off_diagonal, diagonal = dip_penalties(mean, logvar)
    z = mean + torch.exp(logvar / 2) * normal(50_000, 20, 3, seed=2)
    covariance = torch.cov(z.reshape(-1, 3).T, correction=0)
    close(diagonal, (covariance.diag() - 1).square().sum(), rtol=0.01)
    close(off_diagonal, (covariance - torch.diag(covariance.diag())).square().sum(), rtol=0.05)
    variance = mean.var(0, correction=0) + logvar.exp().mean(0)
    close(diagonal, (variance - 1).square().sum())
    close(off_diagonal, dip_penalties(mean)[0])


@PROPERTY
@given(st.integers(1, 8), st.integers(1, 4), st.integers(0, 1000), st.floats(-5, 5))
def test_non_negative_and_unchanged_by_translations_signs_and_order(count, latent_dim, seed, shift):
    mean, logvar = normal(count, latent_dim, seed=seed), normal(count, latent_dim, seed=seed + 1)
    values = dip_penalties(mean, logvar)
    assert all(value >= 0 for value in values)
    signs = normal(latent_dim, seed=seed + 2).sign()
    order = torch.randperm(latent_dim, generator=torch.Generator().manual_seed(seed))
    moved = dip_penalties((signs * mean + shift)[:, order], logvar[:, order])
    for value, expected in zip(moved, values, strict=True):
        close(value, expected, rtol=1e-9, atol=1e-10)


def test_zero_only_where_the_covariance_is_the_priors():
    corners = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]], dtype=torch.float64)
    assert [value.item() for value in dip_penalties(corners)] == [0.0, 0.0]
    assert dip_penalties(1.1 * corners)[1] > 0.01
    assert dip_penalties(corners[:3])[0] > 0.01
    half = torch.full_like(corners, 0.5).log()
    close(dip_penalties(corners * 0.5**0.5, half)[1], torch.zeros((), dtype=torch.float64))


def test_gradcheck_shapes_and_vmap():
    mean, logvar = normal(2, 5, 3).requires_grad_(), normal(5, 3, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(dip_penalties, (mean, logvar))
    assert torch.autograd.gradcheck(dip_penalties, (mean,))
    values = dip_penalties(mean, logvar)
    mapped = torch.func.vmap(lambda m: dip_penalties(m, logvar))(mean)
    for value, other in zip(values, mapped, strict=True):
        assert value.shape == (2,)
        close(value, other)


def test_autocast_changes_nothing():
    mean, logvar = normal(16, 3, dtype=torch.float32), normal(16, 3, seed=1, dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        values = dip_penalties(mean, logvar)
    for value, expected in zip(values, dip_penalties(mean, logvar), strict=True):
        close(value, expected, rtol=0, atol=0)


def test_errors():
    with pytest.raises(ValueError, match=r"mean must have shape \(..., N, latent_dim\), got \(3,\)"):
        dip_penalties(torch.zeros(3))
    with pytest.raises(ValueError, match=r"mean \(4, 3\), logvar \(4, 2\)"):
        dip_penalties(torch.zeros(4, 3), torch.zeros(4, 2))


def test_a_log_variance_that_broadcasts_is_that_of_all():
    mean, logvar = normal(4, 3), normal(3, seed=1)
    for value, other in zip(dip_penalties(mean, logvar), dip_penalties(mean, logvar.expand(4, 3)), strict=True):
        close(value, other)
