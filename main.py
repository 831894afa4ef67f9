#!/usr/bin/env python3
"""The command line: flags to configurations, and configurations to runs.

python main.py exp --dataset mnist --loss dGJS --GJS-A 0.3
"""

import argparse
import difflib
import os
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

STOPPABLE = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # not so of a script's background process
if __name__ == "__main__" and STOPPABLE:  # until main begins, which has more to say, Ctrl-C just ends the imports
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from utils.datasets import DatasetError, dataset_choices
from utils.grids.grid import configurations
from utils.grids.presets import PRESETS
from utils.grids.sweep import SweepFailed, sweep
from utils.machine.environment import OUT_OF_MEMORY, MachineError, is_out_of_memory, rank_count, rank_number
from utils.report import write_report
from utils.runs.config import EvaluationSettings, ModelSettings, RunConfig
from utils.runs.evaluate import evaluate_only
from utils.runs.folder import ResultsError
from utils.runs.ranks import joined
from utils.runs.run import resume, run
from utils.runs.runtime import Interrupted, Runtime
from utils.runs.tensorboard import check_tensorboard
from vae.distributed import RankLost
from vae.losses import LOSSES
from vae.means import NonFiniteError
from vae.options import Option, OptionError
from vae.training.settings import TrainingSettings

SHORT_FLAGS = {
    "dataset": ["-d"],
    "loss": ["-l"],
    "rec_dist": ["-r"],
    "latent_dim": ["-z"],
    "epochs": ["-e"],
    "batch_size": ["-b"],
    "seed": ["-s"],
    "lr": ["--learning-rate"],
    "reg_anneal": ["-a"],
}
EXECUTORS = ("ray", "submitit")
MEANT = {"--alpha": "--GJS-A", "--beta": "--betaH-B", "--lambda": "--GJS-B"}  # as papers call them
GROUPS = {
    "the run": ModelSettings,
    "training": TrainingSettings,
    "how much data, and what to evaluate when": EvaluationSettings,
}
CHOICES = {"dataset": dataset_choices()}
RUNTIME_FLAGS = ("data_dir", "results_dir", "device", "progress_bar", "checkpoint_every", "tensorboard")


class OneOrSeveral(argparse.Action):
    """Stores one value as it is, and several, each once, as a list."""

    def __call__(self, parser, namespace, values, option_string=None):
        if hasattr(namespace, self.dest):
            parser.error(f"{option_string} is given twice: give it once, with all its values")
        values = list(dict.fromkeys(values))
        setattr(namespace, self.dest, values if len(values) > 1 else values[0])


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Names the value of a flag once, not as NAME [NAME ...]."""

    def _format_args(self, action, default_metavar):
        return super()._format_args(action, default_metavar).partition(" [")[0]


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, with exit status 2."""

    def error(self, message: str) -> NoReturn:
        message = re.sub(r"^argument [^:]*: (?=--)", "", message)  # our own messages name the flag themselves
        message = message.replace("expected at least one argument", "expected one argument, or several")
        message = message.replace("required: experiment", "required: experiment, before the flags")
        if unknown := re.match(r"unrecognized arguments: (-[^ =]+)", message):
            known = {flag.casefold(): flag for flag in self._option_string_actions} | MEANT
            near = difflib.get_close_matches(unknown[1].casefold(), known, n=1)
            message = f"there is no flag {unknown[1]}" + (f": did you mean {known[near[0]]}?" if near else "")
        elif message.endswith((" True", " False")):
            message += ": a flag takes neither, --NAME turns it on and --no-NAME off"
        fail(f"{message} (python main.py --help lists every flag)")


def fail(message: str, status: int = 2) -> NoReturn:
    """End with one line on standard error; of ranks that share a run, the first one's."""
    if rank_number() == 0:
        print(f"main.py: {message}", file=sys.stderr)
    raise SystemExit(status)


def build_parser() -> Parser:
    """The parser of every flag. A flag that is not given is absent from what it returns."""
    parser = Parser(
        prog="python main.py",
        description="Train and evaluate a variational autoencoder, regularised with the divergence you choose.",
        epilog="Example: python main.py exp --dataset mnist --loss dGJS --GJS-A 0.3",
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
        usage="python main.py EXPERIMENT [flags]",
        formatter_class=lambda prog: HelpFormatter(prog, max_help_position=32, width=100),
    )
    parser.add_argument("experiment", help="name of the folder under results/ that the run writes")

    for title, settings in GROUPS.items():
        group = parser.add_argument_group(title)
        for option in settings.options().values():
            add_option(group, option)

    width = max(map(len, LOSSES)) + 1
    summaries = "\n".join(f"{name:{width}}{loss.summary}" for name, loss in LOSSES.items())
    parser.add_argument_group("training objectives (--loss)", summaries)
    for names, options in options_by_losses().items():
        group = parser.add_argument_group(f"options of --loss {', '.join(names)}")
        for option in options:
            add_option(group, option)

    sweep_group = parser.add_argument_group(
        "several runs", "Given several values, a flag above makes a grid: each combination is a run in EXPERIMENT/RUN/."
    )
    sweep_group.add_argument(
        "--preset", choices=PRESETS, help=f"the runs of the paper's {', '.join(PRESETS)}; other flags change them"
    )
    add_option(sweep_group, Option("jobs", 1, "runs at a time, in as many processes", int, minimum=1), several=False)
    sweep_group.add_argument("--executor", choices=EXECUTORS, help="a cluster to carry the runs out: Ray's or SLURM's")
    add_option(
        sweep_group,
        Option("gpus_per_run", 0.0, "with --executor: 0.25 lets four share a GPU, 0: CPU", minimum=0, maximum=1),
        several=False,
    )
    sweep_group.add_argument(
        "--ensemble",
        action=argparse.BooleanOptionalAction,
        help="train runs of the same data, networks and batches as one model (default: on a GPU, without --jobs)",
    )

    folder_group = parser.add_argument_group("the results folder")
    folder_group.add_argument("--resume", action="store_true", help="go on with an interrupted run, to the same bits")
    folder_group.add_argument(
        "--report", action="store_true", help="write report.html, table.md, table.csv; alone it runs nothing"
    )
    folder_group.add_argument("--overwrite", action="store_true", help="replace the run of that name")
    folder_group.add_argument("--is-eval-only", action="store_true", help="evaluate the saved model anew, do not train")
    every = Option("checkpoint_every", 1, "save all that --resume needs every N epochs", int, minimum=1)
    add_option(folder_group, every, several=False)
    folder_group.add_argument(
        "--tensorboard",
        action="store_true",
        default=argparse.SUPPRESS,
        help="write what metrics.jsonl has as scalars for TensorBoard too, which is to be installed",
    )
    folder_group.add_argument(
        "--results-dir", type=Path, metavar="DIR", help="where experiments lie (default: results)"
    )

    machine_group = parser.add_argument_group("the machine")
    machine_group.add_argument(
        "--data-dir", type=Path, metavar="DIR", help="where data sets lie (default: $VAE_DATA if set, else data)"
    )
    machine_group.add_argument("--device", metavar="NAME", help="auto, cpu, cuda or cuda:N (default: auto)")
    machine_group.add_argument(
        "--no-cuda", action="store_const", const="cpu", dest="device", help="the same as --device cpu"
    )
    machine_group.add_argument(
        "--no-progress-bar", action="store_false", dest="progress_bar", help="show no progress bar"
    )
    return parser


def options_by_losses() -> dict[tuple[str, ...], list[Option]]:
    """The options of the losses, each once, under the names of all losses that have it."""
    users: dict[Option, list[str]] = {}
    for name, loss in LOSSES.items():
        for option in loss.options:
            users.setdefault(option, []).append(name)
    groups: dict[tuple[str, ...], list[Option]] = {}
    for option, names in users.items():
        groups.setdefault(tuple(names), []).append(option)
    return groups


def add_option(group: Any, option: Option, *, several: bool = True) -> None:
    """Add the flag of an option, with its bounds; whether it may be given several values."""
    choices = CHOICES.get(option.name)
    remarks = [option.limits] if option.limits else []
    remarks += [f"default: {option.default}"] if option.default is not None else []
    text = f"{option.help}: {', '.join(choices)}" if choices else option.help
    text += f" ({'; '.join(remarks)})" if remarks else ""
    flags = [*SHORT_FLAGS.get(option.name, []), option.flag]
    if option.kind is bool:
        group.add_argument(*flags, action=argparse.BooleanOptionalAction, dest=option.name, help=text)
        return

    def parse(argument: str) -> Any:
        try:
            return option.parse(argument)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    metavar = "NAME" if option.kind is str else "N" if option.kind is int else "X"
    number = {"nargs": "+", "action": OneOrSeveral} if several else {}
    group.add_argument(*flags, type=parse, dest=option.name, metavar=metavar, help=text, **number)


def take_executor(flags: dict[str, Any], experiment: str, *, several: bool, jobs: int) -> Callable | None:
    """What carries out the runs on a cluster, if that is asked for; its flags are taken out, and the device is set."""
    name, gpus_per_run = flags.pop("executor", None), flags.pop("gpus_per_run", None)
    if name is None:
        if gpus_per_run is not None:
            fail("--gpus-per-run is for a cluster: give an --executor; on this machine, --device says where a run is")
        return None
    if not several:
        fail(f"--executor {name} is for several runs: give a flag several values, or a --preset")
    if jobs > 1:
        fail(f"--jobs {jobs} is for this machine: with --executor, the cluster says how many runs are at work")
    if "device" in flags:
        fail(f"--device {flags['device']} is for this machine: with --executor, --gpus-per-run gives a run its device")
    from utils.grids.executors import find_executor

    flags["device"] = "cuda" if gpus_per_run else "cpu"
    logs = flags.get("results_dir", Runtime.results_dir) / experiment / ".jobs"
    try:
        return find_executor(name, gpus_per_run or 0, logs)
    except MachineError as error:
        fail(str(error))


def main(arguments: list[str] | None = None) -> None:
    """Carry out one command line."""
    flags = vars(build_parser().parse_args(arguments))
    experiment, preset, jobs = flags.pop("experiment"), flags.pop("preset", None), flags.pop("jobs", 1)
    ensemble = flags.pop("ensemble", None)
    report = flags.pop("report", False)
    modes = [mode for mode in ("resume", "overwrite", "is_eval_only") if flags.pop(mode, False)]
    if len(modes) > 1:
        fail(f"--{modes[0].replace('_', '-')} and --{modes[1].replace('_', '-')} exclude each other: give one of them")
    mode = modes[0] if modes else None
    several = preset is not None or any(isinstance(value, list) for value in flags.values())
    if several and mode == "resume":
        fail("--resume is for one run: several go on where they stopped without it")
    if jobs > 1 and not several:
        fail(f"--jobs {jobs} is for several runs: give a flag several values, or a --preset")
    if several and rank_count() > 1:
        fail("torchrun is for one run, which its processes share: without it, --jobs N trains several side by side")
    executor = take_executor(flags, experiment, several=several, jobs=jobs)
    if ensemble and not several:
        fail("--ensemble is for several runs: give a flag several values, or a --preset")
    if ensemble and mode == "is_eval_only":
        fail("--ensemble is for training: --is-eval-only evaluates one model after the other, so leave it out")
    if ensemble and (jobs > 1 or executor):
        fail(f"--ensemble and {'--executor' if executor else f'--jobs {jobs}'} exclude each other: give one of them")
    if rank_number():
        flags |= {"progress_bar": False, "tensorboard": False}  # the first one's
    flags.setdefault("data_dir", Path(os.environ.get("VAE_DATA") or "data"))
    runtime = Runtime(**{name: flags.pop(name) for name in RUNTIME_FLAGS if name in flags})
    way = {"jobs": jobs, "ensemble": ensemble, "executor": executor}
    try:
        if runtime.tensorboard:
            check_tensorboard()
        failure = None
        with joined(runtime.device):
            if several:
                try:
                    sweep(experiment, configurations(flags, preset, runtime.data_dir), runtime, **way, mode=mode)
                except SweepFailed as error:
                    failure = error  # for after the report of the others
            elif mode == "resume":
                resume(experiment, flags, runtime)
            elif mode == "is_eval_only":
                evaluate_only(experiment, flags, runtime)
            elif flags or mode or not report:
                run(RunConfig.from_flags(experiment, flags, runtime.data_dir), runtime, overwrite=mode == "overwrite")
            if report and rank_number() == 0:
                write_report(experiment, runtime.results_dir)
        if failure:
            raise failure
    except (OptionError, DatasetError, MachineError, ResultsError) as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.filename or 'a file'} cannot be used ({error.strerror}): check its place and your permissions")
    except (NonFiniteError, RankLost, SweepFailed) as error:
        fail(str(error), status=1)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        fail(OUT_OF_MEMORY)
    except Interrupted as interruption:
        fail(str(interruption), status=130)
    except KeyboardInterrupt:
        fail("interrupted; what was saved before is untouched", status=130)


if __name__ == "__main__":
    if STOPPABLE:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    main()
