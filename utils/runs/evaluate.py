"""The evaluation of a run's model, and a saved model's anew."""

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import vae
from utils.datasets import Dataset, load_dataset
from utils.datasets.record import check_same_data
from utils.machine.environment import choose_device, keep_freed_memory
from utils.runs.config import EVALUATION_OPTIONS, RunConfig, read_config, reconcile
from utils.runs.folder import DIAGNOSIS, EVALUATION, ResultsError, ResultsFolder
from utils.runs.loading import load_splits, open_folder
from utils.runs.progress import image_bar, summarise
from utils.runs.runtime import Evaluation, Runtime
from vae.distributed import together
from vae.evaluation.diagnosis import diagnose
from vae.evaluation.evaluator import Evaluator
from vae.evaluation.evidence import MOST_IMAGES, estimate_evidence
from vae.evaluation.sampler import fit_mixture
from vae.losses import Loss
from vae.models import VAE


def evaluate_only(experiment: str, flags: dict[str, Any], runtime: Runtime) -> Evaluation:
    """Evaluate the model of a run that has ended, by its saved configuration, and replace its evaluation.json.

    The flags must equal the saved configuration, except evaluation options; what was measured by one before and is not
    asked for now is kept. Raises OptionError, ResultsError and DatasetError, and NonFiniteError if what comes out is
    not finite.
    """
    keep_freed_memory()
    folder = open_folder(experiment, replace(runtime, again="--is-eval-only evaluates again"))
    folder.check_place()
    with folder.held():
        with together():
            saved, record = read_config(folder)
            config = reconcile(saved, flags, changeable=EVALUATION_OPTIONS)
            model, loss, _ = vae.load(folder.path, choose_device(runtime.device), note=print)
            splits = load_splits(config, runtime)
            check_same_data(record["data"], splits)
        evaluation = evaluate(model, loss, config, splits, runtime, training_losses(folder))
        with contextlib.suppress(ResultsError, TypeError):  # a damaged evaluation.json is made anew
            before = folder.read_json(EVALUATION)
            before.pop(DIAGNOSIS, None)
            evaluation = {part: before.get(part, {}) | evaluation.get(part, {}) for part in before | evaluation}
        folder.write_json(EVALUATION, evaluation)
        summarise(evaluation, folder.path)
        return evaluation


def evaluator(model: VAE, loss: Loss, config: RunConfig) -> Evaluator:
    """The Evaluator of a run."""
    return Evaluator(model, loss, batch_size=config.batch_size, seed=config.seed, noise=config.noise)


def training_losses(folder: ResultsFolder) -> list[float]:
    """The training loss of each epoch of a run."""
    return [record["loss"] for record in folder.read_metrics() if record["split"] == "train"]


def evaluate(
    model: VAE,
    loss: Loss,
    config: RunConfig,
    splits: dict[str, Dataset],
    runtime: Runtime,
    losses: Sequence[float],
) -> Evaluation:
    """What evaluation.json holds: of each split, its quantities; where asked, test's evidence, and disentanglement.

    And a diagnosis, for which the training loss of each epoch has to be known.
    """
    judge = evaluator(model, loss, config)
    if config.sampler:
        model.sampler = fit_mixture(model, splits["train"].data, seed=config.seed, noise=config.noise)
    evaluation = {name: judge.evaluate(split.data, split.labels) for name, split in splits.items()}
    if config.importance_samples:
        data = splits["test"].data
        with image_bar("evidence", min(len(data), MOST_IMAGES), show=runtime.progress_bar) as bar:
            evaluation["test"]["evidence"] = estimate_evidence(
                model,
                data,
                config.importance_samples,
                seed=config.seed,
                noise=config.noise,
                sampler=model.sampler,
                advance=bar.update,
            )
    if config.is_metrics:
        print("measuring disentanglement over all images of both splits: minutes on a CPU", flush=True)
        cut = {"train": config.train_size or config.validation_size, "test": config.test_size}
        whole = (
            load_dataset(config.dataset, name, runtime.data_dir) if size else splits[name] for name, size in cut.items()
        )
        evaluation["disentanglement"] = judge.disentanglement((data.data, data.factors) for data in whole)
    found = diagnose(model, config, evaluation, splits["test"].data, losses)
    return evaluation | ({DIAGNOSIS: found} if found else {})
