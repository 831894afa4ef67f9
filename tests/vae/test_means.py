import pytest
import torch

from vae.means import Means, NonFiniteError, Variances


def test_means_are_weighted_by_the_sizes_of_the_batches():
    means = Means()
    means.add({"loss": torch.tensor(1.0)}, 3)
    means.add({"loss": torch.tensor(5.0)}, 1)
    assert means.values() == {"loss": 2.0}


def test_a_term_that_is_not_finite_is_named_with_its_batch():
    means = Means()
    means.add({"loss": torch.tensor(1.0), "divergence": torch.tensor(1.0)}, 1)
    means.add({"loss": torch.tensor(float("inf")), "divergence": torch.tensor(float("inf"))}, 1)
    with pytest.raises(NonFiniteError, match="the term divergence is not finite at step 12 .epoch 2, batch 2."):
        means.check(2, 10)


def test_a_member_of_an_ensemble_has_means_of_its_own():
    means = Means()
    means.add({"loss": torch.tensor([1.0, 2.0])}, 3)
    means.add({"loss": torch.tensor([5.0, float("nan")])}, 1)
    assert means.of_member(0).values() == {"loss": 2.0}
    means.of_member(0).check(1, 0)
    with pytest.raises(NonFiniteError, match="the term loss is not finite at step 2 .epoch 1, batch 2."):
        means.of_member(1).check(1, 0)


@pytest.mark.parametrize("size", [1, 7, 50, 100])
def test_variances_are_those_of_all_batches_together_far_from_zero_too(size):
    values = torch.randn(100, 3, generator=torch.Generator().manual_seed(0)) + torch.tensor([0.0, 10.0, 1000.0])
    variances = Variances()
    for batch in values.split(size):
        variances.add(batch)
    assert variances.values().allclose(values.double().var(0, correction=0), rtol=1e-12)
