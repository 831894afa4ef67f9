"""Every divergence against values and gradients made at 90 digits from the textbook definitions."""

import json
from pathlib import Path

import pytest
import torch

from vae import divergences
from vae.divergences import full

CASES = json.loads((Path(__file__).parents[2] / "golden" / "golden.json").read_text())
DTYPES = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])

DIAGONAL = {
    "kl_forward_q_p": divergences.kl_divergence,
    "kl_reverse": divergences.reverse_kl_divergence,
    "jeffreys": divergences.jeffreys_divergence,
    "hellinger2": divergences.squared_hellinger_distance,
    "w2_squared": divergences.squared_wasserstein_distance,
}
WITH_ALPHA = {
    "bhattacharyya_skew": divergences.bhattacharyya_divergence,
    "renyi": divergences.renyi_divergence,
    "js_arithmetic": divergences.arithmetic_js_divergence,
}
FULL = {
    "kl_forward_q_p": full.kl_divergence,
    "kl_reverse": full.reverse_kl_divergence,
    "jeffreys": full.jeffreys_divergence,
    "cs_gaussian_mog": full.cauchy_schwarz_divergence,
    "w2_squared": full.squared_wasserstein_distance,
}


def evaluate(case, dtype):
    """The value of a case, and its mean and logvar as leaves."""

    def tensor(name):
        return torch.tensor(case[name], dtype=dtype) if name in case else None

    def logweight(name):
        return tensor(name).log() if name in case else None

    kind, alpha = case["divergence"], case.get("alpha")
    mean = tensor("mu").requires_grad_()
    logvar = tensor("logvar").requires_grad_() if "logvar" in case else None
    geometric = {
        "dual": "dual" in kind,
        "skew": "nielsen" if "nielsen" in kind else "paper",
        "prior_mean": tensor("mu2"),
    }
    if "cov" in case:
        if kind.startswith("gjs"):
            options = {**geometric, "prior_covariance": tensor("cov2")}
            value = full.geometric_js_divergence(mean, tensor("cov"), alpha, **options)
        else:
            value = FULL[kind](mean, tensor("cov"), tensor("mu2"), tensor("cov2"))
    elif kind.startswith("gjs"):
        options = {**geometric, "prior_logvar": tensor("logvar2")}
        value = divergences.geometric_js_divergence(mean, logvar, alpha, **options)
    elif kind in DIAGONAL:
        value = DIAGONAL[kind](mean, logvar, tensor("mu2"), tensor("logvar2"))
    elif kind in WITH_ALPHA:
        value = WITH_ALPHA[kind](mean, logvar, alpha, tensor("mu2"), tensor("logvar2"))
    elif kind == "cs_gaussian_mog":
        mixture = tensor("mix_mu"), tensor("mix_logvar"), logweight("mix_w")
        value = divergences.cauchy_schwarz_divergence(mean, logvar, *mixture)
    elif kind == "cs_mog_mog":
        mixture1 = tensor("mix1_mu"), tensor("mix1_logvar"), logweight("mix1_w")
        mixture2 = tensor("mix_mu"), tensor("mix_logvar"), logweight("mix_w")
        value = divergences.mixture_cauchy_schwarz_divergence(*mixture1, *mixture2)
    elif kind == "mmd_population":
        value = divergences.gaussian_mmd(mean, logvar, case["kernel_scale"])
    elif kind == "mmd_aggregate":
        value = divergences.aggregate_mmd(tensor("agg_mu"), tensor("agg_logvar"), case["kernel_scale"])
    elif kind in ("energy_distance", "energy_distance_nd"):
        value = divergences.gaussian_energy_distance(mean, logvar)
    return value, mean, logvar


def value_tolerance(case, dtype):
    if dtype == torch.float32:
        return {"rtol": 1e-5, "atol": 1e-6}
    if case["divergence"].startswith("energy"):
        return {"rtol": 1e-11, "atol": 1e-11 if 20 in map(abs, case["logvar"]) else 1e-14}
    return {"rtol": 1e-11, "atol": 1e-14 if case["divergence"].startswith("mmd") else 1e-12}


def gradient_tolerance(case, dtype):
    if dtype == torch.float32:
        return {"rtol": 5e-4, "atol": 1e-6}
    if case["divergence"].startswith(("mmd", "energy")):
        return {"rtol": 1e-3, "atol": 1e-9}
    return {"rtol": 1e-8, "atol": 1e-10}


@DTYPES
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_value(case, dtype):
    value, _, _ = evaluate(case, dtype)
    assert value.dtype == dtype
    expected = torch.tensor(float(case["value"]), dtype=torch.float64)
    torch.testing.assert_close(value.double(), expected, **value_tolerance(case, dtype))


@DTYPES
@pytest.mark.parametrize("case", [case for case in CASES if "grad_mu" in case], ids=lambda case: case["id"])
def test_gradient(case, dtype):
    value, mean, logvar = evaluate(case, dtype)
    value.backward()
    for leaf, name in ((mean, "grad_mu"), (logvar, "grad_logvar")):
        expected = torch.tensor([float(x) for x in case[name]], dtype=torch.float64)
        torch.testing.assert_close(leaf.grad.double(), expected, **gradient_tolerance(case, dtype))
