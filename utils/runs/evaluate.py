"""The evaluation of a run's model, and a saved model's anew."""

import contextlib
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from utils.datasets import Dataset, is_resized, load_dataset, path_kind
from utils.datasets.notes import shape_note
from utils.machine.bars import bar
from utils.runs.config import EVALUATION_OPTIONS, RunConfig
from utils.runs.folder import DIAGNOSIS, ELSEWHERE, EVALUATION, FITTED_SAMPLES, ResultsError, ResultsFolder
from utils.runs.loading import load_split, opened
from utils.runs.progress import summarise
from utils.runs.runtime import Evaluation, Runtime
from vae.distributed import together
from vae.evaluation.aggregate import aggregate_distance, fit_mixture
from vae.evaluation.diagnosis import diagnose
from vae.evaluation.evaluator import Evaluator
from vae.evaluation.evidence import MOST_IMAGES, estimate_evidence
from vae.losses import Objective
from vae.models import VAE
from vae.options import OptionError, flag_of

AGAIN = "--is-eval-only evaluates again"  # where an evaluation could not be written


def evaluate_only(experiment: str, flags: dict[str, Any], runtime: Runtime) -> Evaluation:
    """Evaluate the model of a run that has ended, by its saved configuration, and replace its evaluation.json.

    The flags must equal the saved configuration, except evaluation options; what was measured by one before and is not
    asked for now is kept. Raises OptionError, ResultsError and DatasetError, and NonFiniteError if what comes out is
    not finite.
    """
    with opened(experiment, flags, EVALUATION_OPTIONS, replace(runtime, again=AGAIN)) as run:
        folder, before = run.folder, {}
        with contextlib.suppress(ResultsError):  # a damaged evaluation.json is made anew
            before = folder.read_json(EVALUATION)
            before.pop(DIAGNOSIS, None)
        with together():
            splits = run.load_splits(runtime)
        config = replace(run.config, importance_samples=draws_to_take(run.config, flags, before.get("test", {})))
        evaluation = evaluate(run.model, run.loss, config, splits, runtime, losses_if_whole(folder))
        evaluation = {part: added(before.get(part, {}), evaluation.get(part, {})) for part in before | evaluation}
        folder.write_json(EVALUATION, evaluation)
        if run.config.sampler and runtime.draw:  # the run has drawn the others itself
            figures = runtime.draw(run.model, splits, run.config, [])
            if figure := figures.get(FITTED_SAMPLES):
                folder.replace(FITTED_SAMPLES, lambda file: figure.savefig(file, format="png"))
        summarise(evaluation, folder.path)
        return evaluation


def evaluate_elsewhere(experiment: str, dataset: str, flags: dict[str, Any], runtime: Runtime) -> Evaluation:
    """Evaluate the model of a run that has ended on the test split of other data, and write that beside its own.

    The flags must equal the saved configuration, except importance samples and the noise, and the test size, without
    which all is taken: the run's own is of its own data. Pictures that are resized have the side of the run's images,
    or the image size that is given. What was measured of the same before is kept. Raises what `evaluate_only` does, and
    OptionError for data of another shape.
    """
    changeable = ("importance_samples", "test_size", "noise")
    if others := [name for name in EVALUATION_OPTIONS if flags.get(name) and name not in changeable]:
        raise OptionError(f"{flag_of(others[0])} is for the run's own data: leave it out with --on {dataset}")
    resized, side = is_resized(dataset), flags.get("image_size")
    if resized:
        flags = {name: value for name, value in flags.items() if name != "image_size"}
    with opened(experiment, flags, changeable, replace(runtime, again=AGAIN)) as run:
        shape = tuple(run.record["data"]["image_shape"])
        image_size = side or shape[-1] if resized and len(shape) > 1 else None
        config = replace(run.config, dataset=dataset, image_size=image_size, test_size=flags.get("test_size"))
        with together():
            test = load_split(config, "test", runtime.data_dir, config.test_size)
            check_shape_of(test, dataset, shape)
        data = {"name": test.name, "source": test.source, "sha256": test.sha256, "images": len(test)}
        name, before = elsewhere_name(test, config), {}
        with contextlib.suppress(ResultsError):  # there is none, or it is damaged
            saved = run.folder.read_json(name)
            same = all(saved["data"][part] == data[part] for part in ("sha256", "images"))
            before = saved["test"] if same and saved["noise"] == config.noise else {}
        config = replace(config, importance_samples=draws_to_take(config, flags, before))
        judge = evaluator(run.model, run.loss, config)
        found = judge.evaluate(test.data, test.labels) | by_draws(run.model, config, test, runtime)
        found = added(before, found)
        run.folder.write_json(name, {"data": data, "noise": config.noise, "test": found})
        summarise({"test": found}, run.folder.path, name)
        return {"test": found}


def draws_to_take(config: RunConfig, flags: dict[str, Any], before: dict[str, Any]) -> int:
    """By how many draws the evidence of a split is to be measured, given what was measured of it before.

    0 where it is there and not asked for; as many as it is by, where a sampler is asked for.
    """
    measured = before.get("evidence", {}).get("importance_samples")
    if measured is None or "importance_samples" in flags:
        return config.importance_samples
    return measured if "sampler" in flags else 0


def added(before: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """What was measured of a split before with what is found now: of evidence too, where it is of as many draws."""
    old, new = before.get("evidence", {}), found.get("evidence", {})
    same = all(old.get(name) == new.get(name) for name in ("importance_samples", "images"))
    return before | found | ({"evidence": old | new} if old and new and same else {})


def check_shape_of(test: Dataset, dataset: str, shape: tuple[int, ...]) -> None:
    """Raise OptionError unless data that a run is evaluated on have the shape that it was trained with."""
    if tuple(test.image_shape) != shape:
        is_of, like = shape_note(test.image_shape), shape_note(shape)
        raise OptionError(f"--on {dataset}: {is_of}, but the run is of {like}: choose data like that, or convert these")


def elsewhere_name(test: Dataset, config: RunConfig) -> str:
    """The file of the evaluation on other data, such as evaluation-on-fashion.json; sizes and noise have their own.

    Of data at a path it has a part of their hash too: other paths may come to the same name.
    """
    parts = [test.name, *[test.sha256[:8]] * bool(path_kind(test.name))]
    parts += [f"image-size-{config.image_size}"] * (config.image_size not in (None, test.image_shape[-1]))
    parts += [f"first-{config.test_size}"] * bool(config.test_size) + [f"noise-{config.noise:g}"] * bool(config.noise)
    return ELSEWHERE.replace("*", re.sub(r"[^\w.+-]", "-", "-".join(parts)))


def evaluator(model: VAE, loss: Objective, config: RunConfig) -> Evaluator:
    """The Evaluator of a run."""
    return Evaluator(model, loss, batch_size=config.batch_size, seed=config.seed, noise=config.noise)


def training_losses(folder: ResultsFolder) -> list[float]:
    """The training loss of each epoch of a run."""
    return [record["loss"] for record in folder.read_metrics() if record["split"] == "train"]


def losses_if_whole(folder: ResultsFolder) -> list[float]:
    """The same, or none where metrics.jsonl is damaged, with a note: only the diagnosis goes without."""
    try:
        return training_losses(folder)
    except ResultsError as error:
        print(f"note: {error}")
        return []


def by_draws(model: VAE, config: RunConfig, test: Dataset, runtime: Runtime) -> dict[str, Any]:
    """What is estimated by draws of z, if it is asked for: the evidence, and how far q(z) of several is from p(z)."""
    if not config.importance_samples:
        return {}
    how = {"seed": config.seed, "noise": config.noise}
    distance = {"aggregate_distance": aggregate_distance(model, test.data, **how)} if len(test) > 1 else {}
    images, how = min(len(test), MOST_IMAGES), {**how, "sampler": model.sampler}
    with bar(show=runtime.progress_bar, total=images, desc="evidence", unit=" images") as shown:
        evidence = estimate_evidence(model, test.data, config.importance_samples, advance=shown.update, **how)
    return {"evidence": evidence, **distance}


def evaluate(
    model: VAE,
    loss: Objective,
    config: RunConfig,
    splits: dict[str, Dataset],
    runtime: Runtime,
    losses: Sequence[float],
) -> Evaluation:
    """What evaluation.json holds: of each split, its quantities; where asked, test's by draws, and disentanglement.

    And a diagnosis, for which the training loss of each epoch has to be known.
    """
    judge = evaluator(model, loss, config)
    evaluation = {name: judge.evaluate(split.data, split.labels) for name, split in splits.items()}
    if config.sampler:
        model.sampler = fit_mixture(model, splits["train"].data, seed=config.seed, noise=config.noise)
    evaluation["test"] |= by_draws(model, config, splits["test"], runtime)
    if config.is_metrics:
        print("measuring disentanglement over all images of both splits: minutes on a CPU", flush=True)
        cut = {"train": config.train_size or config.validation_size, "test": config.test_size}
        whole = (
            load_dataset(config.dataset, name, runtime.data_dir) if size else splits[name] for name, size in cut.items()
        )
        evaluation["disentanglement"] = judge.disentanglement((data.data, data.factors) for data in whole)
    found = diagnose(model, loss, config, evaluation, splits["test"].data, losses)
    return evaluation | ({DIAGNOSIS: found} if found else {})
