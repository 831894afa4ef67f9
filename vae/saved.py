"""The format of a saved model: the weights in model.pt, and beside them config.json, which says what they are of.

A file of weights ends with a seal, the SHA-256 of all before it, so that damage never goes unnoticed. It is read
without running anything that it may hold. PyTorch reads it too, by `torch.load(…, weights_only=True)`.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from vae.losses import LOSSES, Loss, build_loss
from vae.models import VAE
from vae.models.full_covariance import with_full_posterior
from vae.models.priors import PRIORS
from vae.states import load_tensors_of

CONFIG, MODEL = "config.json", "model.pt"
END_OF_ZIP = b"PK\5\6"  # begins the last 22 bytes of an archive without a comment, of which the last two are 0


class ResultsError(Exception):
    """A results folder or a file in it cannot be used; the message is one line that says what to do."""


class SavedConfig(dict[str, Any]):
    """What config.json holds: `config["loss"]` or `config.loss`, and so on further in, `config.data.image_shape`."""

    def __getattr__(self, name: str) -> Any:
        if name not in self:
            raise AttributeError(f"there is no {name!r}")
        value = self[name]
        return SavedConfig(value) if isinstance(value, dict) else value


def load(folder: str | Path, device: torch.device | str = "cpu") -> tuple[VAE, Loss, SavedConfig]:
    """The model and the loss of a run that has ended, in evaluation mode on a device, and its configuration.

    Reads config.json and model.pt, and needs nothing else of the folder. Raises ResultsError if one is missing or
    damaged, if they do not belong together, or if the run has not ended.
    """
    folder = Path(folder)
    if not (folder / CONFIG).exists():
        raise ResultsError(f"{folder} holds no saved model: expected the folder of a run, with {CONFIG} and {MODEL}")
    config = SavedConfig(read_json(folder / CONFIG, remedy="restore it, or take another run"))
    model, loss = build_saved(config, folder / CONFIG)
    state = load_tensors(folder / MODEL, remedy="restore it, or run again under another name")
    with refusing_misfits(folder / MODEL):
        load_tensors_of(model, state["model"])
        load_tensors_of(loss, state["loss"])
    return model.to(device).eval(), loss.to(device).eval(), config


def build_saved(config: SavedConfig, path: Path) -> tuple[VAE, Loss]:
    """The model and the loss of a config.json, untrained. Raises ResultsError if it is of no run that has ended."""
    try:
        ended_after = config["ended_after"]
        model, loss = build(config, tuple(config.data.image_shape), config.data.train_images)
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise ResultsError(f"{path} is not a configuration of this version ({error!r})") from None
    if ended_after is None:
        raise ResultsError(f"{path.parent} has not ended: --resume goes on with it")
    return model, loss


def build(config: Any, image_shape: tuple[int, ...], dataset_size: int) -> tuple[VAE, Loss]:
    """The model and the loss that a configuration describes: the options and sizes of each, and the likelihood.

    One without a network, of a version that had no other, has the usual one of the images; one without a prior or a
    posterior has the loss's prior and a diagonal posterior.
    """
    network = {"network": getattr(config, "network", None), **getattr(config, "network_options", {})}
    sizes = (image_shape, config.latent_dim, config.rec_dist)
    model = LOSSES.find(config.loss).build_model(*sizes, config.loss_options, **network)
    if getattr(config, "posterior", "diagonal") == "full":
        model = with_full_posterior(model)
    if name := getattr(config, "prior", None):
        sizes = {"latent_dim": config.latent_dim, "components": config.prior_components, "data_shape": image_shape}
        model.prior = PRIORS.find(name)(encoder=model.encoder, **sizes)
    loss = build_loss(config.loss, dataset_size=dataset_size, latent_dim=config.latent_dim, **config.loss_options)
    return model, loss


@contextmanager
def refusing_misfits(path: Path) -> Iterator[None]:
    """Turn what goes wrong on taking over another run's state into a ResultsError that names the file."""
    try:
        yield
    except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ResultsError(f"{path} does not belong to the {CONFIG} beside it ({reason})") from None


def read_json(path: Path, *, remedy: str) -> dict[str, Any]:
    """The object in a file of JSON. Raises ResultsError, with the remedy, if it is missing or damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError(f"it holds a {type(content).__name__} instead of an object")
        to_json(content)  # what it refuses, infinity say, such a file has never held
        return content
    except OSError as error:
        raise ResultsError(f"{path} cannot be read ({error.strerror}): {remedy}") from None
    except (ValueError, RecursionError) as error:
        raise ResultsError(f"{path} is damaged ({error}): {remedy}") from None


def to_json(content: dict[str, Any]) -> bytes:
    """JSON for people, in UTF-8. Raises ValueError for numbers that are not finite."""
    return (json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def to_bytes(state: dict[str, Any]) -> bytes:
    """What torch.save makes of a state, with a seal of all of it as the comment that ends a zip archive.

    In memory, because on a full disk torch.save does not say what is wrong.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    content = buffer.getvalue()[:-2] + len(seal(b"")).to_bytes(2, "little")
    return content + seal(content)


def seal(content: bytes) -> bytes:
    """The SHA-256 of some bytes, as a text that says so."""
    return b"sha256:" + hashlib.sha256(content).hexdigest().encode()


def load_tensors(path: Path, *, remedy: str) -> dict[str, Any]:
    """Read a file of `to_bytes`, or of torch.save itself, tensors and plain values only, into main memory.

    Raises ResultsError if it is missing or damaged: no bit of a sealed file changes without notice, nor of the tensors
    in one without a seal.
    """
    try:
        content = path.read_bytes()
        check_whole(content)
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        if not isinstance(state, dict):
            raise ValueError(f"it holds a {type(state).__name__} instead of a dictionary")
        return state
    except OSError as error:
        raise ResultsError(f"{path} cannot be read ({error.strerror}): {remedy}") from None
    except Exception as error:  # of any kind: zipfile and PyTorch parse what the file says of itself
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ResultsError(f"{path} is damaged ({reason}): {remedy}") from None


def check_whole(content: bytes) -> None:
    """Raise an error if a checksum in a file of weights is wrong, that of its seal or of a tensor."""
    size = len(content) - len(seal(b""))
    bare = content[-22:-18] == END_OF_ZIP and content[-2:] == b"\0\0"
    if not bare and content[size:] != seal(content[:size]):
        raise ValueError("its checksum is wrong or missing")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
            raise ValueError("it is compressed, which torch.save does not do")
        if damaged := archive.testzip():  # torch.load does not verify the checksums
            raise ValueError(f"the checksum of {damaged} is wrong")
