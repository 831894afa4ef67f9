"""Every closed form, value and gradients, against 30 digits from the textbook definitions (tests/golden/make.py)."""

import json
import math
import random
from functools import partial
from operator import attrgetter

import pytest
import torch

from tests.golden import make
from tests.golden.cases import all_cases
from tests.golden.definitions.arithmetic import legendre
from vae import divergences

CASES = json.loads(make.PLACE.read_text(encoding="utf-8"))
FUNCTIONS = sorted({case["function"] for case in CASES})
DTYPES = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
every = pytest.mark.parametrize("function", FUNCTIONS)

# Where a result or a gradient is the small difference of terms of the size of 1: an absolute error of their rounding.
CANCELS = {
    "aggregate_mmd",
    "arithmetic_js_divergence",
    "dip_penalties[1]",
    "energy_distance",
    "full.cholesky.squared_wasserstein_distance",
    "full.squared_wasserstein_distance",
    "gaussian_energy_distance",
    "gaussian_imq_mmd",
    "gaussian_mmd",
    "imq_mmd",
    "maximum_mean_discrepancy",
}


def computed(case, dtype):
    """The value of a case, and its arguments that have gradients."""
    arguments = {
        name: torch.tensor(x, dtype=dtype, requires_grad=True) if isinstance(x, list) else x
        for name, x in case["arguments"].items()
    }
    path, _, part = case["function"].partition("[")
    value = attrgetter(path)(divergences)(**arguments)
    value = value[int(part[0])] if part else value
    assert value.dtype == dtype and value.shape == ()
    value.backward()
    return value, {name: arguments[name] for name in case["gradients"]}


def exact(x):
    return torch.tensor([exact(row).tolist() for row in x] if isinstance(x, list) else float(x), dtype=torch.float64)


def gradient(leaf, name):
    """Of a leaf, in float64; 0 where the value does not depend on it."""
    slope = torch.zeros_like(leaf) if leaf.grad is None else leaf.grad
    return (slope.tril() if "scale_tril" in name else slope).double()


def steepest(case):
    """The size of the derivative of a density by its mean, out of which the gradients of integrals over z cancel."""
    if case["function"] != "arithmetic_js_divergence":
        return 1.0
    narrowest = min(*case["arguments"]["logvar"], *case["arguments"].get("prior_logvar", [0.0]))
    return 10 * math.exp(-min(narrowest, 0) / 2)


@pytest.mark.slow
@DTYPES
@every
def test_value_and_gradients(function, dtype):
    """Gradients with an absolute error of the rounding of the largest of a case, out of which the others cancel."""
    single = dtype == torch.float32
    for case in (case for case in CASES if case["function"] == function):
        close = partial(torch.testing.assert_close, msg=lambda message, case=case: f"{case}: {message}")
        value, leaves = computed(case, dtype)
        atol = (2e-6 if single else 1e-14) if function in CANCELS else 1e-30
        close(value.detach().double(), exact(case["value"]), rtol=1e-5 if single else 1e-11, atol=atol)
        slopes = {name: exact(x) for name, x in case["gradients"].items()}
        largest = max(x.abs().max().item() for x in slopes.values())
        atol = (1e-5 if single else 1e-13) * largest + atol * steepest(case)
        for name, leaf in leaves.items():
            close(gradient(leaf, name), slopes[name], rtol=5e-4 if single else 1e-9, atol=atol)


def test_there_are_twenty_cases_of_every_closed_form():
    missing = set(divergences.__all__) - {name.partition("[")[0].partition(".")[0] for name in FUNCTIONS}
    assert missing == {"arithmetic_js_estimate", "geometric_js_terms", "geometric_mean", "quadrature"}
    for name in FUNCTIONS:
        assert sum(case["function"] == name for case in CASES) >= 20, name


@pytest.mark.slow
def test_the_file_holds_what_its_script_makes():
    """Its cases, all of them, and of one in a hundred all digits, those that take seconds left out."""
    cases = list(all_cases())
    assert [(name, arguments) for name, _, arguments in cases] == [(c["function"], c["arguments"]) for c in CASES]
    slow = {"arithmetic_js_divergence", "gaussian_imq_mmd", "imq_mmd", "gaussian_energy_distance"}
    quick = [(case, known) for case, known in zip(cases, CASES, strict=True) if known["function"] not in slow]
    for case, known in random.Random(0).sample(quick, 12):
        assert json.loads(json.dumps(make.solved(*case))) == known


def test_quadrature_of_the_script_integrates_polynomials():
    nodes = legendre(60)
    for power in (0, 1, 20, 119):
        assert abs(sum(weight * x**power for x, weight in nodes) * (power + 1) - 1) < 1e-90
