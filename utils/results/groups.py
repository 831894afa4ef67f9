"""Groups of saved runs: those that share all settings, and so can be compared."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any, NamedTuple

from utils.datasets import Dataset
from utils.grids.commands import default_flags
from utils.grids.saved import SavedRun
from utils.machine.console import counted
from utils.results.labels import INCIDENTAL, flag_label, in_order, swept_option, without_mathematics
from utils.runs.config import RunConfig
from utils.runs.folder import ResultsError
from vae.evaluation.evaluator import rate
from vae.evaluation.statistics import Estimate, paired_difference

EVIDENCE = "evidence"  # which depends on the number of draws
REPEATED = ("seed", *INCIDENTAL)  # in which the runs of a configuration may differ
NOT_SHARED = ("loss", *REPEATED)  # by the runs of a group

Series = dict[Any, list[SavedRun]]  # runs by the value of a flag, ascending; more than one where there are more seeds


@dataclass(frozen=True)
class Family:
    """Runs with one loss that differ in a single flag, and in their seed."""

    loss: str
    flag: str | None  # in which they differ, such as GJS_A; None: in their seed only
    told: dict[str, Any]  # the other flags that tell these runs from others of their group with that loss
    series: Series  # by the flag's value, or by None

    @property
    def runs(self) -> list[SavedRun]:
        """All of them, in the order of the flag's values."""
        return [run for runs in self.series.values() for run in runs]

    @property
    def is_curve(self) -> bool:
        """Whether the flag has several values."""
        return len(self.series) > 1

    @property
    def told_label(self) -> str:
        """The flags that are told, such as "λ = 2"."""
        return ", ".join(flag_label(name, value) for name, value in self.told.items())


class Model(NamedTuple):
    """What was trained: a loss, and the options of it that tell it from others."""

    loss: str
    options: dict[str, Any] = {}


@dataclass(frozen=True)
class RunGroup:
    """Runs that have ended and share all settings: they differ in their loss, its options, and their seed."""

    settings: dict[str, Any]
    runs: list[SavedRun]
    test: Dataset | None = None  # the test images, where models are looked at

    @property
    def dataset(self) -> str:
        """The data set that all were trained on."""
        return self.settings["dataset"]

    @property
    def rec_dist(self) -> str:
        """The likelihood that all were trained with."""
        return self.settings["rec_dist"]

    @property
    def name(self) -> str:
        """Data set and likelihood."""
        return f"{self.dataset}, {self.rec_dist}"

    @property
    def seeds(self) -> list[int]:
        """The seeds that there are runs of, ascending."""
        return sorted({run.config.seed for run in self.runs})

    @property
    def title(self) -> str:
        """What figures say of the runs: data set, likelihood, epochs, and the seed or how many, where models differ."""
        fewest, most = (of(len(runs) for runs in by_configuration(self.runs)) for of in (min, max))
        seeds = f"{fewest} to {most} seeds" if fewest < most else counted(most, "seed")
        if len(self.seeds) == 1:
            seeds = f"seed {self.seeds[0]}"
        return without_mathematics(f"{self.name}: {counted(self.settings['epochs'], 'epoch')}, {seeds}")

    @property
    def losses(self) -> list[str]:
        """The losses that there are runs with, in the order of tables."""
        return in_order(run.config.loss for run in self.runs)

    def of(self, loss: str) -> list[SavedRun]:
        """The runs with a loss."""
        return [run for run in self.runs if run.config.loss == loss]

    def of_model(self, model: Model) -> list[SavedRun]:
        """The runs of a model."""
        return [run for run in self.of(model.loss) if run.config.loss_options.items() >= model.options.items()]

    def values(self, model: Model, quantity: str = "squared_error", split: str = "test") -> dict[int, float]:
        """A quantity of a model by seed, see `values`."""
        return values(self.of_model(model), quantity, split)

    def difference(
        self, left: Model, right: Model, quantity: str = "squared_error", *, without: int | None = None
    ) -> Estimate | None:
        """left - right, paired by seed; None where no seed has both, but for one that is left out."""
        mine, theirs = ([r for r in self.of_model(one) if r.config.seed != without] for one in (left, right))
        return difference(mine, theirs, quantity)

    def best(self, models: Iterable[Model], seed: int, split: str = "train") -> Model | None:
        """The model with the least squared error of a seed; None if there are no runs of it."""
        errors = [(found[seed], model) for model in models if seed in (found := self.values(model, split=split))]
        return min(errors, key=lambda pair: pair[0])[1] if errors else None

    def families(self, loss: str, over: str | None = None) -> list[Family]:
        """The runs with a loss by all but a flag, which is its swept option unless another is given.

        The family that has the loss's other options at their defaults comes first, where there is one.
        """
        flag = over or swept_option(loss)
        found: dict[tuple, Series] = {}
        for run in self.of(loss):
            flags = run.config.flags()
            others = {k: v for k, v in flags.items() if k not in {*self.settings, *NOT_SHARED, flag}}
            found.setdefault(tuple(others.items()), {}).setdefault(flags.get(flag), []).append(run)
        if not found:
            return []
        defaults = default_flags(self.of(loss)[0].config)
        varying = {name for (name, _), *others in map(set, zip(*found)) if others}  # with more than one value

        def place(key: tuple) -> tuple:
            changed = sum(value != defaults[name] for name, value in key)
            return changed, [(value is not None, value or 0) for _, value in key]

        def told(key: tuple) -> dict[str, Any]:
            return {name: value for name, value in key if name in varying or value != defaults[name]}

        def ascending(series: Series) -> Series:
            return dict(sorted(series.items(), key=lambda item: (item[0] is None, item[0] or 0)))

        return [Family(loss, flag, told(key), ascending(found[key])) for key in sorted(found, key=place)]

    def series(self, loss: str, over: str | None = None) -> Series:
        """The runs of the first of its families."""
        families = self.families(loss, over)
        return families[0].series if families else {}


def grouped(runs: Iterable[SavedRun], over: str = "") -> list[RunGroup]:
    """The runs that have ended by the settings they share, all but `over`. Raises ResultsError, see `check_data`."""
    shared = [name for name in RunConfig.options() if name not in (*NOT_SHARED, over)]
    groups: dict[tuple, list[SavedRun]] = {}
    ended = [run for run in runs if run.ended]
    check_data(ended)
    for run in ended:
        groups.setdefault(tuple(run.config.flags()[name] for name in shared), []).append(run)
    return [RunGroup(dict(zip(shared, settings)), own) for settings, own in groups.items()]


def check_data(runs: Sequence[SavedRun]) -> None:
    """Raise ResultsError where runs have other data by the same name: these are not for one table or figure."""
    before: dict[tuple, SavedRun] = {}
    for run in runs:
        config = run.config
        other = before.setdefault((config.dataset, config.image_size), run)
        for split, digest in run.record["data"]["sha256"].items():
            if digest != other.record["data"]["sha256"][split]:
                raise ResultsError(
                    f"{other.folder.path} and {run.folder.path} have other {split} images of {config.dataset} (SHA-256 "
                    f"{other.record['data']['sha256'][split][:8]} and {digest[:8]}), so nothing can compare them: "
                    "move what belongs to the one to a folder of its own, and give the command again"
                )


def by_configuration(runs: Iterable[SavedRun]) -> list[list[SavedRun]]:
    """The runs of each configuration, ascending by seed.

    Of several with the same seed it is the first that has the evidence, else the first that has ended, else the first.
    """
    found: dict[tuple, dict[int, SavedRun]] = {}
    for run in runs:
        flags = {name: value for name, value in run.config.flags().items() if name not in REPEATED}
        own = found.setdefault(tuple(flags.items()), {})
        before = own.setdefault(run.config.seed, run)
        if before is not run and tells(run) > tells(before):
            own[run.config.seed] = run
    return [[own[seed] for seed in sorted(own)] for own in found.values()]


def tells(run: SavedRun) -> tuple[bool, bool]:
    """Whether a run has ended, and whether it has the evidence."""
    return run.ended, bool(run.evaluation and evidence_samples(run))


def merged(*lists: Sequence[RunGroup]) -> list[RunGroup]:
    """The groups of several lists, one data set after the other; runs that share all settings are in one group.

    Raises ResultsError, see `check_data`.
    """
    groups = [group for groups in lists for group in groups]
    check_data([run for group in groups for run in group.runs])
    runs: dict[tuple, list[SavedRun]] = {}
    for group in groups:
        runs.setdefault(tuple(group.settings.items()), []).extend(group.runs)
    together = [RunGroup(dict(settings), own) for settings, own in runs.items()]
    return [group for own in by_dataset(together).values() for group in own]


def by_dataset(groups: Sequence[RunGroup]) -> dict[str, list[RunGroup]]:
    """The groups of each data set, in their order: those that stand side by side in a figure."""
    found: dict[str, list[RunGroup]] = {}
    for group in groups:
        found.setdefault(group.dataset, []).append(group)
    return found


def with_best(groups: Sequence[RunGroup]) -> list[RunGroup]:
    """Of the values of a loss's swept option, such as alpha, the one with the least squared error on training images.

    It is the one of `least_error`, in each family of a loss. The runs with losses that sweep nothing are all there.
    """

    def best(series: Series) -> list[SavedRun]:
        models = list(series.values())
        return models[least_error(models, "train")]

    return [
        replace(group, runs=[run for x in group.losses for family in group.families(x) for run in best(family.series)])
        for group in groups
    ]


def least_error(models: Sequence[Sequence[SavedRun]], split: str) -> int:
    """The place of the runs with the least mean squared error on a split, over the seeds that all have if any.

    Over all seeds of each, one might be chosen for its seeds.
    """
    errors = [values(runs, "squared_error", split) for runs in models]
    shared = set.intersection(*map(set, errors))
    means = [fmean(own[seed] for seed in shared or own) for own in errors]
    return means.index(min(means))


def evaluated(runs: Sequence[SavedRun], quantity: str, split: str = "test") -> list[Any]:
    """A quantity in the evaluation of each run, such as squared_error."""
    return [run.evaluation[split][quantity] for run in runs]


def values(runs: Iterable[SavedRun], quantity: str, split: str = "test") -> dict[int, float]:
    """A quantity in the evaluations of runs by seed, of those that have it; of several with a seed, of the first.

    Such as "squared_error", or "evidence prior_sampling" within another; of the evidence alone, its mean. Of runs that
    do not compare in it, see `comparable`, some are left out.
    """
    found = {}
    (compared,) = comparable(quantity, list(runs))
    for run in compared:
        value: Any = run.evaluation.get(split)
        for name in quantity.split():
            value = value.get(name) if value else None
        value = value["mean"] if isinstance(value, dict) else value
        if value is not None:
            found.setdefault(run.config.seed, value)
    return dict(sorted(found.items()))


def evidence_samples(run: SavedRun) -> int | None:
    """By how many draws of z the evidence of a run was estimated; None if it was not."""
    return run.evaluation["test"].get("evidence", {}).get("importance_samples")


def comparable(quantity: str, *lists: Sequence[SavedRun]) -> list[Sequence[SavedRun]]:
    """The runs of each list that compare in a quantity: all, but in the evidence those by one number of draws.

    That is the number by which most runs of all lists have it, the larger one of two.
    """
    if not quantity.startswith(EVIDENCE):
        return list(lists)
    counts = Counter(count for runs in lists for run in runs if (count := evidence_samples(run)))
    most = max(counts, key=lambda count: (counts[count], count), default=None)
    return [[run for run in runs if evidence_samples(run) == most] for runs in lists]


def difference(runs: Sequence[SavedRun], others: Sequence[SavedRun], quantity: str) -> Estimate | None:
    """A quantity of the test evaluation, that of some runs less that of others by seed; None if no seed has both."""
    mine, theirs = (values(own, quantity) for own in comparable(quantity, runs, others))
    return paired_difference(mine, theirs) if mine.keys() & theirs.keys() else None


def estimate(runs: Sequence[SavedRun], quantity: str, split: str = "test") -> Estimate | None:
    """A quantity of the evaluation over the seeds of runs that differ in nothing else; None if none has it."""
    found = values(runs, quantity, split)
    return Estimate(found) if found else None


def rate_estimate(runs: Sequence[SavedRun]) -> Estimate | None:
    """KL(q‖p) of the test images, in nats, over the seeds of such runs; None if it is known of none."""
    found = {run.config.seed: nats for run in runs if (nats := rate(run.evaluation["test"])) is not None}
    return Estimate(found) if found else None
