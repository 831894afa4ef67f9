#!/usr/bin/env python3
"""The command line: flags to configurations, and configurations to runs.

python main.py exp --dataset mnist --loss dGJS --GJS-A 0.3
"""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from typing import Any, NoReturn

from utils.machine.console import escaped, make_sturdy
from utils.machine.limits import wait_by_load
from utils.machine.signals import endings, heed

ENDINGS = endings()
if __name__ == "__main__" and signal.SIGINT in ENDINGS:  # until main begins, which has more to say, Ctrl-C just ends it
    signal.signal(signal.SIGINT, signal.SIG_DFL)
if __name__ == "__main__":  # before torch is imported
    wait_by_load()

from utils.datasets import DatasetError
from utils.flags import UsageError, build_parser
from utils.grids.executors import find_executor
from utils.grids.grid import configurations
from utils.grids.sweep import sweep
from utils.grids.tally import SweepFailed
from utils.machine.environment import OUT_OF_MEMORY, MachineError, explained, heed_cpu_limit, is_out_of_memory
from utils.runs.config import RunConfig, as_list, check_dataset, read_config, settings_from
from utils.runs.evaluate import evaluate_elsewhere, evaluate_only
from utils.runs.folder import ResultsError
from utils.runs.loading import open_folder
from utils.runs.run import resume, run
from utils.runs.runtime import Animation, Drawing, Interrupted, Runtime, joined, take_devices
from utils.runs.tensorboard import check_tensorboard
from vae.distributed import RankLost, rank, ranks
from vae.means import NonFiniteError
from vae.options import OptionError, flag_of

MODES = ("resume", "overwrite", "is_eval_only")
WANT_SEVERAL = "is for several runs: give a flag several values, or a --preset"

# Figures and pages are imported where they are made: matplotlib takes as long as a third of PyTorch, and --help and
# mistakes need neither.


def draw_run(*of_run: Any) -> dict[str, Any]:
    """The pictures of a run, see utils.figures.one_run."""
    from utils.figures.one_run import draw_run as draw

    return draw(*of_run)


def draw_frame(*of_run: Any) -> Any:
    """A frame of a run's animation, see utils.figures.one_run."""
    from utils.figures.one_run import draw_frame as draw

    return draw(*of_run)


def join_frames(frames: list[bytes]) -> bytes:
    """The animation of some frames."""
    from utils.figures.one_run import join_frames as join

    return join(frames)


def main(arguments: list[str] | None = None, *, draw: Drawing | None = draw_run) -> None:
    """Carry out one command line; `draw` makes the pictures of a run."""
    with joined(), errors_in_one_line():
        command = read_command(arguments, draw)
        check_command(command)
        try:
            carry_out(command)
        except SweepFailed:
            with suppress(DatasetError, ResultsError):  # where none has ended there is no page
                write_pages(command)  # of the others
            raise
        write_pages(command)


# From a command line to a command


@dataclass
class Command:
    """What a command line asks for."""

    experiment: str
    settings: dict[str, Any]  # of the run, by name; several values are a list
    runtime: Runtime
    mode: str | None = None
    preset: str | None = None
    scale: str | None = None
    jobs: int = 1
    executor: str | None = None
    gpus_per_run: float | None = None
    ensemble: bool | None = None
    on: str | None = None
    export: str | None = None
    export_format: str | None = None
    samples: int | None = None
    report: bool = False
    explore: bool = False
    compare: tuple[str, ...] = ()  # names or folders of experiments, which are only looked at

    @property
    def several(self) -> bool:
        """Whether it is for several runs."""
        return self.preset is not None or any(isinstance(value, list) for value in self.settings.values())

    @property
    def trains(self) -> bool:
        """Whether runs begin or go on: else it looks at what there is."""
        if self.export or self.compare or self.mode == "is_eval_only":
            return False
        return self.several or bool(self.settings or self.mode) or not (self.report or self.explore)


def read_command(arguments: list[str] | None, draw: Drawing | None) -> Command:
    """The command of a command line."""
    flags = vars(build_parser().parse_args(arguments))
    modes = [mode for mode in MODES if flags.pop(mode, False)]
    if len(modes) > 1:
        fail(f"{flag_of(modes[0])} and {flag_of(modes[1])} exclude each other: give one of them")
    if rank():
        flags |= {"progress_bar": False, "tensorboard": False, "gif": False}  # the first one's
    if "executor" in flags and "device" in flags:
        fail(f"--device {flags['device']} is for this machine: with --executor, --gpus-per-run gives a run its device")
    if "executor" in flags:
        flags["device"] = "cuda" if flags.get("gpus_per_run") else "cpu"
    animation = Animation(draw_frame, join_frames) if flags.pop("gif", False) else None
    pages = tuple(flag for flag in ("--report", "--explore") if flags.get(flag.removeprefix("--")))
    runtime = Runtime(**taken(flags, Runtime), draw=draw, animation=animation, pages=pages)
    own = taken(flags, Command)
    if config := flags.pop("config", None):
        others = [flag_of(mode) for mode in modes if mode != "overwrite"] + ["--preset"] * ("preset" in own)
        if others:
            fail(f"--config and {others[0]} exclude each other: give one of them")
        flags = settings_from(config, flags)
    return Command(**own, settings=flags, runtime=runtime, mode=modes[0] if modes else None)


def taken(flags: dict[str, Any], record: type) -> dict[str, Any]:
    """The flags that are fields of a record, which are taken out."""
    return {field.name: flags.pop(field.name) for field in fields(record) if field.name in flags}


def check_command(command: Command) -> None:
    """End with one line if parts of a command do not go together."""
    if command.compare and (command.settings or command.preset or command.mode or command.report):
        fail("--compare looks at runs that have ended: leave out the flags that train, evaluate or report")
    if command.mode == "overwrite" and command.trains and not command.settings and (command.report or command.explore):
        page = "--report" if command.report else "--explore"
        fail(f"--overwrite would train the run anew with every default: leave it out, {page} writes its page anew")
    check_several(command)
    check_one(command)
    check_ensemble(command)
    check_training(command)


def check_several(command: Command) -> None:
    """End with one line if flags for several runs are given for one, or flags for one are given for several."""
    several, jobs, executor = command.several, command.jobs, command.executor
    if several and command.mode == "resume":
        fail("--resume is for one run: several go on where they stopped without it")
    if jobs > 1 and not several:
        fail(f"--jobs {jobs} {WANT_SEVERAL}")
    if several and ranks() > 1:
        fail("torchrun is for one run, which its processes share: without it, --jobs N trains several side by side")
    if command.gpus_per_run is not None and not executor:
        fail("--gpus-per-run is for a cluster: give an --executor; on this machine, --device says where a run is")
    if executor and not several:
        fail(f"--executor {executor} {WANT_SEVERAL}")
    if executor and jobs > 1:
        fail(f"--jobs {jobs} is for this machine: with --executor, the cluster says how many runs are at work")
    if command.scale and not command.preset:
        fail(f"--scale {command.scale} is for a --preset: give one, or sizes and epochs of your own")


def check_one(command: Command) -> None:
    """End with one line if flags for one run that has ended are given for others."""
    several, mode = command.several, command.mode
    if command.export and (several or mode not in (None, "overwrite")):
        fail(f"--export {command.export} is of one run that has ended: give its name and nothing to train")
    if command.export and ranks() > 1:
        fail(f"--export {command.export} is for one process: leave torchrun out")
    if command.samples is not None and command.export != "samples":
        fail(f"--samples {command.samples} is how many --export samples writes: give that too")
    if command.export_format and not command.export:
        fail(f"--export-format {command.export_format} is how --export writes: give that too")
    if command.on and (several or mode != "is_eval_only"):
        fail(f"--on {command.on} judges one run that has ended: give its name and --is-eval-only")
    if command.on:
        check_dataset(command.on, "--on")


def check_ensemble(command: Command) -> None:
    """End with one line if --ensemble does not go with the rest."""
    if not command.ensemble:
        return
    if not command.several:
        fail(f"--ensemble {WANT_SEVERAL}")
    if command.mode == "is_eval_only":
        fail("--ensemble is for training: --is-eval-only evaluates one model after the other, so leave it out")
    if command.runtime.checkpoint_minutes is not None:
        fail("--checkpoint-minutes is for runs that train by themselves: with --ensemble, every epoch is saved")
    if command.executor or command.jobs > 1:
        way = f"--executor {command.executor}" if command.executor else f"--jobs {command.jobs}"
        fail(f"--ensemble and {way} exclude each other: give one of them")


def check_training(command: Command) -> None:
    """End with one line if flags of training are given where nothing is trained."""
    runtime, usual = command.runtime, Runtime()
    flags = {"--gif": "animation", "--tensorboard": "tensorboard"}
    flags |= {flag_of(name): name for name in ("checkpoint_every", "checkpoint_minutes")}
    given = [flag for flag, name in flags.items() if getattr(runtime, name) != getattr(usual, name)]
    if given and not command.trains:
        fail(f"{given[0]} is of training: leave it out")


def carry_out(command: Command) -> None:
    """Do what a command asks for, but for the pages."""
    experiment, settings, runtime, mode = command.experiment, command.settings, command.runtime, command.mode
    heed_cpu_limit()
    take_devices(runtime.device)
    if command.explore and command.trains:
        from utils.explore import check_explorable

        check_explorable(configs_of(command))
    if runtime.tensorboard:
        check_tensorboard()
    if command.several:
        logs = runtime.results_dir / experiment / ".jobs"
        executor = command.executor and find_executor(command.executor, command.gpus_per_run or 0, logs)
        way = {
            "jobs": command.jobs,
            "executor": executor,
            "ensemble": command.ensemble,
            "timed": bool(command.preset) and mode != "is_eval_only",
        }
        sweep(experiment, configs_of(command), runtime, **way, mode=mode)
    elif mode == "resume":
        resume(experiment, settings, runtime)
    elif command.export:
        from utils.exports.export import export  # it is seldom asked for

        way = {"form": command.export_format, "overwrite": mode == "overwrite"}
        export(experiment, command.export, settings, runtime, samples=command.samples, **way)
    elif mode == "is_eval_only" and command.on:
        evaluate_elsewhere(experiment, command.on, settings, runtime)
    elif mode == "is_eval_only":
        evaluate_only(experiment, settings, runtime)
    elif command.trains:
        (config,) = configs_of(command)
        run(config, runtime, overwrite=mode == "overwrite")


def configs_of(command: Command) -> list[RunConfig]:
    """The configurations of the runs that a command is for."""
    experiment, settings, runtime = command.experiment, command.settings, command.runtime
    if command.several:
        return configurations(settings, command.preset, runtime.data_dir, command.scale or "paper")
    if command.mode == "resume":
        return [read_config(open_folder(experiment, runtime))[0]]
    return [RunConfig.from_flags(experiment, settings, runtime.data_dir)]


def write_pages(command: Command) -> None:
    """Write the pages of an experiment that are asked for: the one to play with, and the report, which leads to it.

    A preset ends with the report, asked for or not.
    """
    if rank():
        return
    if command.explore or command.compare:
        from utils.explore import write_explorer

        datasets = as_list(command.settings.get("dataset", []))
        write_explorer(
            command.experiment, command.runtime.results_dir, command.runtime.data_dir, command.compare, datasets
        )
    if command.report or command.preset:
        from utils.report import write_report

        write_report(command.experiment, command.runtime.results_dir)


# Errors


@contextmanager
def errors_in_one_line() -> Iterator[None]:
    """Turn an error of the user's, or of the machine's, into one line and an exit status."""
    try:
        yield
    except (UsageError, OptionError, DatasetError, MachineError, ResultsError) as error:
        fail(str(error))
    except OSError as error:
        fail(explained(error))
    except (NonFiniteError, RankLost, SweepFailed) as error:
        fail(str(error), status=1)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        fail(OUT_OF_MEMORY)
    except Interrupted as interruption:
        fail(str(interruption), status=130)
    except KeyboardInterrupt as end:
        fail(f"{str(end) or 'interrupted'}; what was saved before is untouched", status=130)


def fail(message: str, status: int = 2) -> NoReturn:
    """End with one line on standard error; of ranks that share a run, the first one's."""
    if not rank():
        print(f"main.py: {escaped(message)}", file=sys.stderr)
    raise SystemExit(status)


if __name__ == "__main__":
    make_sturdy()
    heed(ENDINGS)
    main()
