"""The format of a saved model: the weights in model.pt, and beside them config.json, which says what they are of.

A file of weights ends with what it is of, the part of config.json that weights depend on, so that another run's never
pass for its own; and with a seal, the SHA-256 of all before it, so that damage never goes unnoticed. It is read without
running anything that it may hold. PyTorch reads it too, by `torch.load(…, weights_only=True)`.

Whatever is read is a regular file: a link, a pipe or a device is refused.
"""

import errno
import hashlib
import io
import json
import os
import stat
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from vae.losses import LOSSES, Objective, build_loss
from vae.models import VAE
from vae.models.priors import PRIORS
from vae.models.settings import ModelSettings
from vae.options import OptionError
from vae.states import load_tensors_of
from vae.training.settings import TrainingSettings

CONFIG, MODEL = "config.json", "model.pt"
END_OF_ZIP = b"PK\5\6"  # begins the last 22 bytes of an archive without a comment, of which the last two are 0

Note = Callable[[str], None]


class ResultsError(Exception):
    """A results folder or a file in it cannot be used; the message is one line that says what to do."""


class SavedConfig(dict[str, Any]):
    """What config.json holds: `config["loss"]` or `config.loss`, and so on further in, `config.data.image_shape`."""

    def __getattr__(self, name: str) -> Any:
        if name not in self:
            raise AttributeError(f"there is no {name!r}")
        value = self[name]
        return SavedConfig(value) if isinstance(value, dict) else value


def load(
    folder: str | Path, device: torch.device | str = "cpu", *, note: Note = lambda line: None
) -> tuple[VAE, Objective, SavedConfig]:
    """The model and the loss of a run that has ended, in evaluation mode on a device, and its configuration.

    Reads config.json and model.pt, and needs nothing else of the folder. `note` is told, in one line, if model.pt is
    too old to say which run it belongs to. Raises ResultsError if one is missing or damaged, if they do not belong
    together, or if the run has not ended.
    """
    folder = Path(folder)
    if not (folder / CONFIG).exists():
        raise ResultsError(f"{folder} holds no saved model: expected the folder of a run, with {CONFIG} and {MODEL}")
    config = SavedConfig(read_json(folder / CONFIG, remedy="restore it, or take another run"))
    model, loss = build_saved(config, folder / CONFIG)
    remedy = "restore it, or run again under another name"
    notes: list[str] = []
    state = load_tensors(folder / MODEL, remedy=remedy, config=config, note=notes.append)
    with refusing_misfits(folder / MODEL):
        load_tensors_of(model, state["model"])
        load_tensors_of(loss, state["loss"])
    for line in notes:
        note(line)
    return model.to(device).eval(), loss.to(device).eval(), config


def of_another_version(path: Path, error: Exception) -> ResultsError:
    """What is said of a config.json that no model can be built of, for that reason."""
    reason = str(error) if isinstance(error, OptionError) else repr(error)
    return ResultsError(f"{path} is not a configuration of this version ({reason})")


def build_saved(config: SavedConfig, path: Path) -> tuple[VAE, Objective]:
    """The model and the loss of a config.json, untrained. Raises ResultsError if it is of no run that has ended."""
    try:
        ended_after = config["ended_after"]
        model, loss = build(config, tuple(config.data.image_shape), config.data.train_images)
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise of_another_version(path, error) from None
    if ended_after is None:
        raise ResultsError(f"{path.parent} has not ended: --resume goes on with it")
    return model, loss


def build(config: Any, image_shape: tuple[int, ...], dataset_size: int) -> tuple[VAE, Objective]:
    """The model and the loss that a configuration describes: the options and sizes of each, and the likelihood.

    Older files lack some keys: no network means the usual one, no prior the loss's own, no posterior a diagonal one.
    """
    parts = {"network": getattr(config, "network", None), **getattr(config, "network_options", {})}
    if (posterior := getattr(config, "posterior", "diagonal")) != "diagonal":
        parts["posterior"] = posterior
    if name := getattr(config, "prior", None):
        prior, count = PRIORS.find(name), config.prior_components
        parts["prior"] = lambda latent_dim, encoder: prior.of_model(latent_dim, count, encoder, image_shape)
    sizes = (image_shape, config.latent_dim, config.rec_dist)
    model = LOSSES.find(config.loss).build_model(*sizes, config.loss_options, **parts)
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


def read_json(
    path: Path, *, remedy: str, check: Callable[[dict[str, Any]], None] = lambda content: None
) -> dict[str, Any]:
    """The object in a file of JSON. Raises ResultsError, with the remedy, if it is missing or damaged.

    Damaged is also what `check` raises a ValueError for.
    """
    try:
        content = json.loads(read_regular(path).decode("utf-8"))
        if not isinstance(content, dict):
            raise ValueError(f"it holds a {type(content).__name__} instead of an object")
        to_json(content)  # what it refuses, infinity say, such a file has never held
        check(content)
        return content
    except OSError as error:
        raise ResultsError(f"{path} cannot be read ({error.strerror}): {remedy}") from None
    except (ValueError, RecursionError) as error:
        raise ResultsError(f"{path} is damaged ({error}): {remedy}") from None


def to_json(content: dict[str, Any]) -> bytes:
    """JSON for people, in UTF-8. Raises ValueError for numbers that are not finite."""
    return (json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def to_bytes(state: dict[str, Any], origin: dict[str, Any] | None = None) -> bytes:
    """What torch.save makes of a state; then its origin as JSON, and a seal of all, as the comment that ends a zip.

    In memory, because on a full disk torch.save does not say what is wrong.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    told = json.dumps(origin).encode() if origin else b""
    content = buffer.getvalue()[:-2] + (len(told) + len(seal(b""))).to_bytes(2, "little") + told
    return content + seal(content)


def seal(content: bytes) -> bytes:
    """The SHA-256 of some bytes, as a text that says so."""
    return b"sha256:" + hashlib.sha256(content).hexdigest().encode()


def origin_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """What weights are of: the part of a config.json that they depend on, and nothing that may change meanwhile."""
    data = config["data"]
    model = {name: config[name] for name in ModelSettings.options() if name in config}
    model |= config["loss_options"] | config.get("network_options", {})
    settings = TrainingSettings.options().items()
    training = {name: config.get(name, option.default) for name, option in settings if name != "epochs"}
    images = {"image_shape": data["image_shape"], "train_images": data["train_images"], "data": data["sha256"]["train"]}
    return {**model, **training, **images}


def check_origin(origin: dict[str, Any], config: Mapping[str, Any]) -> None:
    """Raise ValueError unless weights of that origin are of the run that has this config.json."""
    expected = origin_of(config)
    for name, value in origin.items():
        if value != expected.get(name):
            raise ValueError(f"its {name} is {value}, not {expected.get(name)}")


def load_tensors(
    path: Path, *, remedy: str, config: Mapping[str, Any] | None = None, note: Note = lambda line: None
) -> dict[str, Any]:
    """Read a file of `to_bytes`, or of torch.save itself, tensors and plain values only, into main memory.

    Raises ResultsError if it is missing or damaged: no bit of a sealed file changes without notice, nor of the tensors
    in one without a seal. Given the config.json that it should belong to, raises one also if it names another run;
    if it names none, `note` is told.
    """
    try:
        content = read_regular(path)
        origin = check_whole(content)
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        if not isinstance(state, dict):
            raise ValueError(f"it holds a {type(state).__name__} instead of a dictionary")
    except OSError as error:
        raise ResultsError(f"{path} cannot be read ({error.strerror}): {remedy}") from None
    except Exception as error:  # of any kind: zipfile and PyTorch parse what the file says of itself
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ResultsError(f"{path} is damaged ({reason}): {remedy}") from None
    if config is not None and origin is None:
        note(f"note: {path} does not say which run it belongs to, as older files do not: it is taken as this run's")
    elif config is not None:
        with refusing_misfits(path):
            check_origin(origin, config)
    return state


def check_whole(content: bytes) -> dict[str, Any] | None:
    """Raise an error if a checksum in a file of weights is wrong, that of its seal or of a tensor; give its origin."""
    size = len(content) - len(seal(b""))
    bare = content[-22:-18] == END_OF_ZIP and content[-2:] == b"\0\0"
    if not bare and content[size:] != seal(content[:size]):
        raise ValueError("its checksum is wrong or missing")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
            raise ValueError("it is compressed, which torch.save does not do")
        if damaged := archive.testzip():  # torch.load does not verify the checksums
            raise ValueError(f"the checksum of {damaged} is wrong")
        told = archive.comment[: -len(seal(b""))]
        return json.loads(told) if told else None


def read_regular(path: Path) -> bytes:
    """The content of a regular file. Raises OSError for what is none, see `regular`."""
    with open(path, "rb", opener=regular) as file:
        return file.read()


def regular(path: str, flags: int) -> int:
    """An opener, see `open`, of regular files. Raises OSError for a link, a folder, a pipe or a device."""
    if os.path.islink(path):
        raise OSError(errno.ELOOP, "it is a link, which is not followed", path)
    handle = os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0), 0o666)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "it is no regular file", path)
    return handle
