"""`--export`: of a run that has ended, what other programs are to read, written into its folder."""

from dataclasses import replace
from functools import partial
from typing import Any

from utils.exports.arrays import ARRAYS
from utils.exports.formats import FORMATS
from utils.exports.onnx import check_onnx, write_onnx
from utils.runs.folder import EXPORTED_SAMPLES, EXPORTS, ResultsError
from utils.runs.loading import opened
from utils.runs.runtime import Runtime
from vae.options import OptionError


def export(
    experiment: str,
    kind: str,
    flags: dict[str, Any],
    runtime: Runtime,
    *,
    form: str | None = None,
    samples: int | None = None,
    overwrite: bool = False,
) -> None:
    """Write one kind of EXPORTS of a run that has ended into its folder, such as export-latents.npz.

    The flags must equal the saved configuration. What was exported before is replaced only where that is asked for.
    Raises OptionError, MachineError, ResultsError and DatasetError.

    Arguments:
        form: the format, one of those that EXPORTS has for the kind; None: the first of them.
        samples: how many of them, where they are exported; None: EXPORTED_SAMPLES.
    """
    form = form or next(iter(EXPORTS[kind]))
    name = file_of(kind, form)
    if kind == "onnx":
        check_onnx()
    with opened(experiment, flags, (), replace(runtime, again="the same command writes it")) as run:
        folder, config, model = run.folder, run.config, run.model
        if (folder / name).exists() and not overwrite:
            raise ResultsError(f"{folder / name} exists: --overwrite replaces it")
        if kind == "onnx":
            said = folder.replace(name, partial(write_onnx, model=model, latent_dim=config.latent_dim))
        else:
            source = ARRAYS[kind]
            if source.of_images and len(run.record["data"]["image_shape"]) == 1:
                raise OptionError(f"--export {kind} is of images: {config.dataset} has vectors, export latents")
            splits = run.load_splits(runtime) if source.of_data else {}
            write = folder.replace_folder if form == "png" else folder.replace
            said = write(
                name, partial(FORMATS[form], parts=source.parts(model, config, splits, samples or EXPORTED_SAMPLES))
            )
    print(f"{folder.path / name}: {said}")


def file_of(kind: str, form: str) -> str:
    """The file, or the folder, that an export is written to. Raises OptionError for a format that it does not have."""
    formats = EXPORTS[kind]
    if form not in formats:
        raise OptionError(f"--export-format {form}: --export {kind} writes {' or '.join(formats)}")
    return formats[form]
