"""What the command of a grid says: what becomes of each run, how long the rest takes, and the table at the end."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from utils.grids.duration import Forecast
from utils.grids.saved import SavedRun, read_run
from utils.machine.signals import EndedAtOnce
from utils.runs.config import RunConfig
from utils.runs.folder import CONFIG
from utils.runs.progress import about
from utils.runs.runtime import Interrupted, Runtime
from vae.evaluation.evaluator import rate

LOST = "its process was killed, for want of memory perhaps"
LOST_ON_A_CLUSTER = "the cluster lost its process each time it was begun: see the cluster's own log"
HEADS = ("run", "test: squared error", "KL(q‖p)", "divergence")


class SweepFailed(Exception):
    """Some runs of a sweep failed; the message is one line."""


class Outcome(NamedTuple):
    """How a run ended, and a line on it."""

    succeeded: bool
    line: str


@dataclass
class Tally:
    """Says what becomes of each run, and counts."""

    configs: list[RunConfig]
    runtime: Runtime
    mode: str | None
    queue: str  # what is said of a run that has to wait for its turn
    forecast: Forecast  # of those that are carried out
    at_work: set[str] = field(default_factory=set)
    most: int = 1  # that have been at work at a time
    ended: int = 0
    failed: list[str] = field(default_factory=list)

    def say(self, config: RunConfig, text: str) -> None:
        number = self.configs.index(config) + 1
        print(f"[{number}/{len(self.configs)}] {config.experiment}: {text}", flush=True)

    def skip(self, config: RunConfig) -> None:
        """A run has ended before."""
        self.ended += 1
        self.say(config, "ended before, skipped")

    def announce(self, config: RunConfig) -> None:
        """A run begins or goes on."""
        begun = self.mode != "is_eval_only" and (self.runtime.results_dir / config.experiment / CONFIG).exists()
        self.say(config, ("goes on" if begun else "begins") + self.queue)
        self.forecast.start(config.experiment)
        self.at_work.add(config.experiment)
        self.most = max(self.most, len(self.at_work))

    def add(self, config: RunConfig, outcome: Outcome | None) -> None:
        """A run has ended."""
        succeeded, line = outcome or Outcome(False, LOST_ON_A_CLUSTER if self.queue else LOST)
        self.forecast.end(config.experiment, succeeded=succeeded)
        self.at_work.discard(config.experiment)
        self.ended += succeeded
        self.failed += [] if succeeded else [config.experiment]
        self.say(config, f"{'ended' if succeeded else 'failed'}, {line}{self.what_is_left()}")

    def what_is_left(self) -> str:
        """How many runs are done, and at work, and how long the rest takes; empty if there is none.

        A cluster does not tell which of its runs wait, so nothing is said of time there.
        """
        over = self.ended + len(self.failed)
        if over == len(self.configs):
            return ""
        at_work = f", {len(self.at_work)} at work" if self.at_work and not self.queue else ""
        left = None if self.queue else self.forecast.left(self.most)
        time = "" if left is None else f", {about(left)} left"
        return f"; {over} of {len(self.configs)} runs done{at_work}{time}"

    def interrupted(self, end: KeyboardInterrupt) -> Interrupted:
        """What to raise after Ctrl-C."""
        done = f"{self.ended} of {len(self.configs)} runs have ended"
        others = "what others have is saved up to their last whole epoch"
        if isinstance(end, EndedAtOnce):
            done, others = f"at once; {done}", "others have what they had saved before"
        return Interrupted(f"{str(end) or 'interrupted'}; {done}, {others}: {self.runtime.again}", end)

    def finish(self) -> None:
        """All runs have ended: their table. Raises SweepFailed if some failed."""
        if self.failed:
            raise SweepFailed(f"{len(self.failed)} of {len(self.configs)} runs failed: {', '.join(self.failed)}")
        print(summary([read_run(self.runtime.results_dir / config.experiment) for config in self.configs]))
        print(f"results in {self.runtime.results_dir}")


def summary(runs: Sequence[SavedRun]) -> str:
    """A line for each run that has ended, in their order; of each data set's the least squared error is marked."""
    ended = [run for run in runs if run.ended]
    least: dict[str, float] = {}
    for run in ended:
        dataset, error = run.config.dataset, run.evaluation["test"]["squared_error"]
        least[dataset] = min(error, least.get(dataset, error))
    rows = [HEADS, *(row_of(run, least[run.config.dataset]) for run in ended)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADS))]
    first, *others = widths
    return "\n".join(
        "  ".join([row[0].ljust(first), *(cell.rjust(width) for cell, width in zip(row[1:], others))]).rstrip()
        for row in rows
    )


def row_of(run: SavedRun, least: float) -> tuple[str, ...]:
    """What the table has of a run, the mark behind its error included."""
    test = run.evaluation["test"]
    error = f"{test['squared_error']:.2f}{' *' if test['squared_error'] == least else '  '}"
    numbers = ["" if number is None else f"{number:.4g}" for number in (rate(test), test.get("divergence"))]
    return (run.folder.path.name, error, *numbers)
