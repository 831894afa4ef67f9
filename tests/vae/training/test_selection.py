"""Which epoch is kept, and when training stops."""

import torch

from vae.training.selection import Selection


def counted(losses, keep="best", patience=None):
    """A selection after epochs with these losses, each of whose state is its number."""
    selection = Selection(keep, patience)
    for epoch, loss in enumerate(losses, start=1):
        selection.count(epoch, loss, {"weight": torch.tensor(epoch)})
    return selection


def test_the_epoch_of_the_least_loss_is_kept_the_first_of_several():
    best = counted([3.0, 1.0, 2.0, 1.0]).best
    assert (best["epoch"], best["loss"], best["state"]["weight"].item()) == (2, 1.0, 2)


def test_what_is_kept_does_not_change_with_the_model():
    weight = torch.tensor(1.0)
    selection = Selection("best", None)
    selection.count(1, 1.0, {"weight": weight})
    weight.fill_(2)
    assert selection.best["state"]["weight"] == 1


def test_training_stops_when_the_loss_has_not_fallen_for_as_many_epochs_as_it_may():
    losses = [3.0, 2.0, 2.5, 2.0, 1.9, 2.0, 2.1, 1.0]
    assert [counted(losses[:epochs], patience=2).stops for epochs in range(9)] == [
        *(False, False, False, False, True, False, False, True, False)
    ]
    assert not any(counted(losses[:epochs]).stops for epochs in range(9))


def test_the_last_epoch_is_no_state_to_keep():
    assert counted([1.0, 2.0], keep="last").best == {"epoch": 1, "loss": 1.0}


def test_it_goes_on_from_its_state():
    whole, begun = counted([3.0, 1.0, 2.0, 2.0], patience=2), counted([3.0, 1.0, 2.0], patience=2)
    resumed = Selection("best", 2)
    resumed.load_state_dict(begun.state_dict())
    resumed.count(4, 2.0, {"weight": torch.tensor(4)})
    assert resumed.state_dict() == whole.state_dict()
    assert resumed.stops and whole.stops
