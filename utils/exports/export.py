"""`--export`: of a run that has ended, what other programs are to read, written into its folder."""

from functools import partial
from typing import Any

import vae
from utils.datasets.record import check_same_data
from utils.exports.arrays import ARRAYS
from utils.exports.formats import FORMATS
from utils.exports.onnx import check_onnx, write_onnx
from utils.machine.environment import choose_device, keep_freed_memory
from utils.runs.config import read_config, reconcile
from utils.runs.folder import EXPORTS, ResultsError
from utils.runs.loading import load_splits, open_folder
from utils.runs.runtime import Runtime
from vae.options import OptionError


def export(
    experiment: str,
    kind: str,
    flags: dict[str, Any],
    runtime: Runtime,
    *,
    form: str | None = None,
    samples: int = 10_000,
    overwrite: bool = False,
) -> None:
    """Write one kind of EXPORTS of a run that has ended into its folder, such as export-latents.npz.

    The flags must equal the saved configuration. What was exported before is replaced only where that is asked for.
    Raises OptionError, MachineError, ResultsError and DatasetError.

    Arguments:
        form: the format, one of those that EXPORTS has for the kind; None: the first of them.
        samples: how many of them, where they are exported.
    """
    keep_freed_memory()
    folder = open_folder(experiment, runtime)
    folder.check_place()
    form = form or next(iter(EXPORTS[kind]))
    name = file_of(kind, form)
    if kind == "onnx":
        check_onnx()
    with folder.held():
        if (folder / name).exists() and not overwrite:
            raise ResultsError(f"{folder / name} exists: --overwrite replaces it")
        saved, record = read_config(folder)
        config = reconcile(saved, flags, changeable=())
        if kind in ("samples", "reconstructions") and len(record["data"]["image_shape"]) == 1:
            raise OptionError(f"--export {kind} is of images: {config.dataset} has vectors, export latents")
        model, _, _ = vae.load(folder.path, choose_device(runtime.device), note=print)
        splits = load_splits(config, runtime) if kind in ("latents", "reconstructions") else {}
        if splits:
            check_same_data(record["data"], splits)
        replace = folder.replace_folder if form == "png" else folder.replace
        if kind == "onnx":
            said = replace(name, partial(write_onnx, model=model, latent_dim=config.latent_dim))
        else:
            said = replace(name, partial(FORMATS[form], parts=ARRAYS[kind](model, config, splits, samples)))
    print(f"{folder.path / name}: {said}")


def file_of(kind: str, form: str) -> str:
    """The file, or the folder, that an export is written to. Raises OptionError for a format that it does not have."""
    formats = EXPORTS[kind]
    if form not in formats:
        raise OptionError(f"--export-format {form}: --export {kind} writes {' or '.join(formats)}")
    return formats[form]
