"""FactorVAE score, SAP and DCI against known answers and brute force."""

from itertools import combinations

import pytest
import torch

from vae.evaluation.disentanglement.dci import concentration, dci, lasso
from vae.evaluation.disentanglement.factor_vae import VOTES, count_votes, factor_vae_score
from vae.evaluation.disentanglement.sap import separated_attribute_predictability, threshold_accuracy

SCORES = (factor_vae_score, separated_attribute_predictability, dci)
CHANCE = (1 / 3 + 1 / 6 + 1 / 10 + 1 / 8) / 4  # the mean accuracy of guesses


@pytest.fixture
def factors():
    """Every combination of factors of 3, 6, 10 and 8 values, ten times: (14400, 4)."""
    return torch.cartesian_prod(*[torch.arange(size) for size in (3, 6, 10, 8)]).repeat(10, 1)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def standardised(factors):
    return (factors - factors.double().mean(0)) / factors.double().std(0)


def rotated(mean):
    random = torch.randn(4, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    return mean @ torch.linalg.qr(random).Q


def test_aligned_latents_have_full_scores_in_any_order_sign_and_scale(factors):
    unused = 1e-3 * torch.randn(len(factors), 2)
    mean = torch.cat([-3 * standardised(factors).flip(1), unused], dim=1)
    assert factor_vae_score(mean, factors) == 1
    # The second best dimension knows nothing, and what thresholds gain from chance is little.
    assert separated_attribute_predictability(mean, factors) == pytest.approx(1 - CHANCE, abs=0.03)
    scores = dci(mean, factors)
    assert scores["disentanglement"] == pytest.approx(1, abs=0.01)
    assert scores["completeness"] == pytest.approx(1, abs=0.01)
    assert scores["informativeness"] == pytest.approx(1, abs=1e-4)


def test_duplicated_latents_have_no_sap_and_are_disentangled(factors):
    mean = torch.cat([standardised(factors), -standardised(factors)], dim=1)
    assert separated_attribute_predictability(mean, factors) == pytest.approx(0, abs=1e-9)
    assert factor_vae_score(mean, factors) == 1
    assert dci(mean, factors)["disentanglement"] == pytest.approx(1, abs=0.01)


def test_a_factor_spread_over_two_latents_is_incomplete(factors):
    noise = torch.randn(2, len(factors))
    mean = standardised(factors)
    scores = dci(torch.cat([mean[:, :3], (mean[:, 3] + noise).T], dim=1), factors)
    assert scores["disentanglement"] == pytest.approx(1, abs=0.02)
    half = 1 - torch.tensor(2.0).log() / torch.tensor(5.0).log()
    importance = 8**0.5 / 3  # of both its dimensions together; that of the others is 1
    assert scores["completeness"] == pytest.approx((3 + importance * half.item()) / (3 + importance), abs=0.02)
    assert scores["informativeness"] == pytest.approx((3 + 2 / 3) / 4, abs=0.01)  # 1 / (1 + 1/2) of its variance


def test_a_factor_of_which_nothing_is_known_takes_nothing_from_completeness(factors):
    """As in disentanglement_lib, which weights factors by their importance."""
    half_collapsed = torch.cat([standardised(factors)[:, :2], torch.zeros(len(factors), 2)], dim=1)
    scores = dci(half_collapsed, factors)
    assert scores["completeness"] == pytest.approx(1, abs=0.01)
    assert scores["disentanglement"] == pytest.approx(1, abs=0.01)
    assert scores["informativeness"] == pytest.approx(0.5, abs=0.01)


def test_rotated_latents_have_less(factors):
    aligned, turned = standardised(factors), rotated(standardised(factors))
    assert factor_vae_score(turned, factors) < 0.8
    assert separated_attribute_predictability(turned, factors) < 0.3
    scores = dci(turned, factors)
    assert scores["disentanglement"] < 0.6
    assert scores["completeness"] < 0.6
    assert scores["informativeness"] == pytest.approx(dci(aligned, factors)["informativeness"], abs=1e-4)


def test_latents_that_know_nothing_have_none(factors):
    noise = torch.randn(len(factors), 4)
    assert factor_vae_score(noise, factors) < 0.3  # a quarter by chance
    assert separated_attribute_predictability(noise, factors) < 0.01
    assert dci(noise, factors)["informativeness"] < 1e-3
    collapsed = torch.zeros(len(factors), 4)
    assert factor_vae_score(collapsed, factors) == 0
    assert separated_attribute_predictability(collapsed, factors) == 0
    assert dci(collapsed, factors) == {"disentanglement": 0, "completeness": 0, "informativeness": 0}


def test_order_and_sign_of_latents_do_not_matter(factors):
    mean = rotated(standardised(factors)) + 0.1 * torch.randn(factors.shape)
    for score in SCORES:
        values = []
        for turned in (mean, -mean.flip(1)):
            torch.manual_seed(1)
            values.append(score(turned, factors))
        assert values[0] == pytest.approx(values[1], abs=1e-3)


@pytest.mark.parametrize("score", SCORES)
def test_a_factor_of_one_value_is_left_out_and_none_is_refused(score, factors):
    mean = rotated(standardised(factors))
    expected = score(mean, factors)
    torch.manual_seed(0)
    assert score(mean, torch.cat([torch.ones_like(factors[:, :1]), factors], dim=1)) == expected
    with pytest.raises(ValueError, match="no factor has two values"):
        score(mean, torch.ones_like(factors))


@pytest.mark.parametrize("score", SCORES)
def test_a_single_latent_and_a_single_factor_are_allowed(score, factors):
    found = score(standardised(factors)[:, 1:2], factors[:, 1:2])
    assert found == pytest.approx(dict.fromkeys(found, 1) if score is dci else 1, abs=1e-4)


def test_votes_are_for_images_that_share_the_fixed_value():
    """A latent that is the factor does not vary among them; values that no image has are never asked for."""
    factors = torch.tensor([[0, 4], [0, 7], [5, 4], [5, 7], [9, 4], [9, 7]]).repeat(50, 1)
    votes = count_votes(factors.double(), factors)
    assert votes.sum() == VOTES
    assert votes.diag().sum() == VOTES


def test_thresholds_are_the_best_that_there_are():
    """Against every choice of two thresholds."""
    for _ in range(20):
        place, factor = torch.randint(12, (60,)), torch.randint(3, (60,))
        place += 2 * factor
        order = sorted(range(3), key=lambda value: place[factor == value].double().mean())
        accuracies = []
        for low, high in combinations(range(18), 2):
            named = torch.tensor(order)[(place >= low).long() + (place >= high).long()]
            accuracies.append(sum((named == factor)[factor == value].double().mean() for value in range(3)) / 3)
        assert threshold_accuracy(place, factor).item() == pytest.approx(max(accuracies).item(), abs=1e-12)


def test_values_weigh_alike_however_many_images_have_them():
    place, factor = torch.tensor([0] * 90 + [1] * 10 + [0] * 2 + [1] * 8), torch.tensor([0] * 100 + [7] * 10)
    assert threshold_accuracy(place, factor).item() == pytest.approx((0.9 + 0.8) / 2)


def test_lasso_meets_its_conditions():
    """Where a coefficient is not 0 the gradient is -penalty times its sign, elsewhere it is smaller."""
    x = torch.randn(200, 6, dtype=torch.float64) @ torch.randn(6, 6, dtype=torch.float64)
    covariance = x.T @ x / 200
    target = x.T @ torch.randn(200, 3, dtype=torch.float64) / 200
    penalty = torch.tensor([0.01, 0.1, 10], dtype=torch.float64)
    w = lasso(covariance, target, penalty)
    gradient = covariance @ w - target
    assert w[:, 0].any()
    assert not w[:, 2].any()
    torch.testing.assert_close(gradient[w != 0], (-penalty * w.sign())[w != 0], rtol=0, atol=1e-6)
    assert (gradient.abs() <= penalty + 1e-6).all()


def test_concentration_goes_from_even_to_single():
    importance = torch.tensor([[1.0, 1.0, 1.0], [0.0, 5.0, 0.0], [0.0, 0.0, 0.0]], dtype=torch.float64)
    assert concentration(importance).tolist() == pytest.approx([0, 1, 0])
    assert concentration(importance[:, :1]).tolist() == [1, 0, 0]


def test_a_copy_of_a_factor_tells_all_of_it_however_few_examples_there_are():
    factors = torch.arange(20).unsqueeze(1)
    assert dci(factors.float(), factors)["informativeness"] == pytest.approx(1, abs=1e-3)
