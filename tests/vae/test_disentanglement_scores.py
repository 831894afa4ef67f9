"""FactorVAE score, SAP and DCI against known answers and brute force."""

import pytest
import torch

from vae.disentanglement_scores import (
    PENALTY,
    concentration,
    dci,
    factor_vae_score,
    lasso,
    separated_attribute_predictability,
)


@pytest.fixture
def factors():
    """Every combination of factors of 3, 6, 10 and 8 values, (1440, 4)."""
    return torch.cartesian_prod(*[torch.arange(size) for size in (3, 6, 10, 8)])


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def standardised(factors):
    return (factors - factors.double().mean(0)) / factors.double().std(0)


def rotation():
    return torch.linalg.qr(torch.randn(4, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64)).Q


def test_aligned_latents_have_full_scores_in_any_order_sign_and_scale(factors):
    unused = 1e-3 * torch.randn(len(factors), 2)
    mean = torch.cat([-3 * standardised(factors).flip(1), unused], dim=1)
    assert factor_vae_score(mean, factors) == 1
    assert separated_attribute_predictability(mean, factors) > 0.5
    scores = dci(mean, factors)
    assert scores["disentanglement"] == pytest.approx(1, abs=1e-6)
    assert scores["completeness"] == pytest.approx(1, abs=1e-6)
    assert scores["informativeness"] == pytest.approx(1, abs=1e-3)


def test_sap_of_aligned_latents_is_the_accuracy_that_chance_leaves(factors):
    """The second best dimension knows nothing: it is right once in as many times as there are values."""
    found = separated_attribute_predictability(standardised(factors), factors)
    assert found == pytest.approx(1 - (1 / 3 + 1 / 6 + 1 / 10 + 1 / 8) / 4, abs=0.05)


def test_duplicated_latents_have_no_sap_and_are_not_complete_but_disentangled(factors):
    mean = torch.cat([standardised(factors), -standardised(factors)], dim=1)
    assert separated_attribute_predictability(mean, factors) == pytest.approx(0, abs=1e-9)
    assert factor_vae_score(mean, factors) == 1
    assert dci(mean, factors)["disentanglement"] == pytest.approx(1, abs=1e-6)


def test_rotated_latents_have_less(factors):
    aligned, rotated = standardised(factors), standardised(factors) @ rotation()
    assert factor_vae_score(rotated, factors) < 0.8
    assert separated_attribute_predictability(rotated, factors) < 0.3
    scores = dci(rotated, factors)
    assert scores["disentanglement"] < 0.6
    assert scores["informativeness"] == pytest.approx(dci(aligned, factors)["informativeness"], abs=2e-3)


def test_latents_that_know_nothing_have_none(factors):
    noise = torch.randn(len(factors), 4)
    assert factor_vae_score(noise, factors) < 0.4  # a quarter by chance
    assert separated_attribute_predictability(noise, factors) < 0.05
    assert dci(noise, factors)["informativeness"] < 0.02
    collapsed = torch.zeros(len(factors), 4)
    assert factor_vae_score(collapsed, factors) == 0
    assert dci(collapsed, factors) == {"disentanglement": 0, "completeness": 0, "informativeness": 0}


def test_a_factor_of_one_value_is_left_out_and_none_is_refused(factors):
    factors = torch.cat([torch.zeros(len(factors), 1, dtype=torch.int64), factors], dim=1)
    assert factor_vae_score(standardised(factors[:, 1:]), factors) == 1
    for score in (factor_vae_score, separated_attribute_predictability, dci):
        with pytest.raises(ValueError, match="no factor has two values"):
            score(torch.randn(len(factors), 2), factors[:, :1])


def test_lasso_meets_its_conditions():
    """Where a coefficient is not 0 the gradient is -penalty times its sign, elsewhere it is smaller."""
    x = torch.randn(200, 6, dtype=torch.float64) @ torch.randn(6, 6, dtype=torch.float64)
    covariance = x.T @ x / 200
    target = x.T @ torch.randn(200, 3, dtype=torch.float64) / 200
    w = lasso(covariance, target)
    gradient = covariance @ w - target
    used = w != 0
    assert used.any()
    torch.testing.assert_close(gradient[used], -PENALTY * w[used].sign(), rtol=0, atol=1e-6)
    assert (gradient[~used].abs() <= PENALTY + 1e-6).all()


def test_concentration_goes_from_even_to_single():
    importance = torch.tensor([[1.0, 1.0, 1.0], [0.0, 5.0, 0.0], [0.0, 0.0, 0.0]])
    assert concentration(importance).tolist() == pytest.approx([0, 1, 0])
