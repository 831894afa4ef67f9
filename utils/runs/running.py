"""A run in memory, over its epochs to its end: what it has come to goes into its folder."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from time import monotonic
from typing import Any

from utils.datasets import Dataset, portable_name
from utils.datasets.record import data_record
from utils.machine.environment import choose_device, keep_freed_memory
from utils.machine.signals import EndedAtOnce
from utils.runs.config import RunConfig
from utils.runs.evaluate import evaluate, evaluator, training_losses
from utils.runs.folder import ANIMATION, CHECKPOINT, CONFIG, EVALUATION, EXPORTED, FRAME, FRAMES, ResultsFolder
from utils.runs.loading import load_splits, step_count
from utils.runs.progress import GLANCE, Progress, show_aim, show_notes, show_plan, summarise
from utils.runs.runtime import Evaluation, Interrupted, Runtime, choose_compiled, resume_command, run_environment
from utils.runs.tensorboard import write_scalars
from vae.distributed import RankLost
from vae.means import NonFiniteError
from vae.options import OptionError
from vae.random import Stream, seed_everything
from vae.saved import build, origin_of, refusing_misfits
from vae.training.selection import Selection
from vae.training.trainer import Trainer

FRAMES_AT_MOST = 100  # of an animation


class Run:
    """A run with all that it needs in memory, from its beginning over its epochs to its end.

    Making one writes nothing. It loads the splits unless it is given them, for runs that are trained together.
    `compiled` is what was chosen for them all, or when a run that goes on was begun; left out, it is chosen now.
    The caller holds the folder.
    """

    def __init__(
        self,
        config: RunConfig,
        runtime: Runtime,
        folder: ResultsFolder,
        splits: dict[str, Dataset] | None = None,
        compiled: bool | None = None,
    ):
        keep_freed_memory()
        self.config, self.runtime, self.folder = config, runtime, folder
        device = choose_device(runtime.device)
        if splits is None:
            show_aim(config, device)
        self.splits = splits or load_splits(config, runtime)
        train = self.splits["train"]
        compiled = choose_compiled(config, device, step_count(config, train), compiled)
        self.environment = run_environment(device, compiled=compiled)
        folder.origin = origin_of({**asdict(config), "data": data_record(self.splits)})
        seed_everything(config.seed, Stream.WEIGHTS)
        self.model, self.loss = (part.to(device) for part in build(config, train.image_shape, len(train)))
        self.progress = Progress(config.epochs, bar=runtime.progress_bar, after_batch=self.after_batch)
        settings = config.training(compiled=compiled)
        self.trainer = Trainer(self.model, self.loss, train.data.to(device), settings, reporter=self.progress)
        self.selection = Selection(config.keep, config.early_stopping)
        self.resumed = False
        self.ended_with: int | None = None  # the epoch of the model, of a run that had ended and goes on
        self.unsaved: dict[str, Any] | None = None  # the state after an epoch that is in no checkpoint yet
        self.saved_at = monotonic()

    def go_on_from(self, checkpoint: dict[str, Any] | None, record: dict[str, Any]) -> None:
        """Go on with the run that has left a checkpoint, unless it came to none, and a config.json.

        Raises ResultsError if the checkpoint is not of this run, and OptionError if it is beyond it.
        """
        self.resumed = True
        if checkpoint is not None:
            with refusing_misfits(self.folder / CHECKPOINT):
                self.trainer.load_state_dict(checkpoint)
                self.selection.load_state_dict(checkpoint.get("selection", self.selection.state_dict()))
        if (epoch := self.trainer.epoch) > self.config.epochs:
            raise OptionError(f"--epochs {self.config.epochs}: {epoch} epochs are behind this run already")
        self.folder.drop_metrics_after(epoch)
        self.ended_with = record["ended_after"] and record.get("kept_epoch", epoch)
        self.note_environment(record)

    def note_environment(self, record: dict[str, Any]) -> None:
        """Keep the environment that the run began with, and say so where it is another one now."""
        begun_with = {name: record[name] for name in self.environment}
        others = record.get("resumed_with", [])
        others = others if isinstance(others, list) else [others]  # a single one in older files
        own = self.environment["machine"]["instructions"]  # which older files do not have
        known = {**begun_with, "machine": {"instructions": own, **begun_with["machine"]}}
        if self.environment != known:
            print("note: the code, a package or the machine is not as when the run began: its bits may differ")
            others += [] if self.environment in others else [self.environment]
        self.environment = {**begun_with, "resumed_with": others} if others else begun_with

    def carry_out(self) -> Evaluation:
        """The whole run, by itself: train from the trainer's epoch to the last, evaluate, and end."""
        show_notes(self.splits)
        show_plan(self.config, self.splits, sum(p.numel() for p in self.model.parameters()), self.trainer.epoch)
        with self.saving():
            self.begin()
            while not self.done:
                self.record_epoch(self.trainer.train_epoch())
            evaluation = self.finish()
        summarise(evaluation, self.folder.path)
        return evaluation

    def begin(self) -> None:
        """Make the folder this run's."""
        if not self.resumed:
            self.folder.clear()
        elif self.ended_with:
            self.forget_model_before()
        self.write_config(ended_after=None)
        if not self.resumed:
            self.keep_frame()
        if self.runtime.tensorboard:
            write_scalars(self.folder, self.folder.read_metrics(), afresh=True)

    def forget_model_before(self) -> None:
        """Remove what was made of the model that the run had ended with, but for exports, and say so."""
        of_model = f"of the model of epoch {self.ended_with}"
        if self.folder.drop_made():
            print(f"note: pictures, pages and evaluations on other data {of_model} go")
        if kept := [name for name in EXPORTED if (self.folder / name).exists()]:
            print(f"note: {of_model} at the latest: {', '.join(kept)}; --export with --overwrite makes it anew")

    def after_batch(self) -> None:
        """Write a checkpoint within an epoch, if one is due by time."""
        minutes = self.runtime.checkpoint_minutes
        if minutes is not None and monotonic() - self.saved_at >= 60 * minutes:
            self.trainer.check_finite(self.trainer.position.means)
            self.save(self.state_dict())

    def record_epoch(self, record: dict[str, float]) -> None:
        """Write down an epoch that the trainer has done: a line in metrics.jsonl per split, and a checkpoint if due.

        It is shown last, so that nothing is lost where that fails.
        """
        epoch, config = record["epoch"], self.config
        records = [{"epoch": epoch, "step": record["step"], "split": "train", **record}]
        if config.evaluate_every and epoch % config.evaluate_every == 0:
            records.append(self.evaluated("test"))
        if "validation" in self.splits:
            records.append(self.evaluated("validation"))
            if self.trainer.step >= config.warmup:
                self.selection.count(epoch, records[-1]["loss"], self.weights())
        self.folder.append_metrics(*records)
        self.unsaved = self.state_dict()
        if epoch % self.runtime.checkpoint_every == 0 or self.done:
            self.save(self.unsaved)
        else:
            self.unsaved = copy.deepcopy(self.unsaved)
        self.keep_frame()
        self.show(records)

    def evaluated(self, name: str) -> dict[str, Any]:
        """The line of metrics.jsonl for a split after the last epoch."""
        split = self.splits[name]
        found = evaluator(self.model, self.loss, self.config).evaluate(split.data, split.labels)
        return {"epoch": self.trainer.epoch, "step": self.trainer.step, "split": name, **found}

    def weights(self) -> dict[str, Any]:
        """What model.pt holds."""
        return {"model": self.model.state_dict(), "loss": self.loss.state_dict()}

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        state = self.trainer.state_dict()
        return state | ({"selection": self.selection.state_dict()} if "validation" in self.splits else {})

    @property
    def done(self) -> bool:
        """Whether all epochs are, or the validation loss has not fallen for as many as it may."""
        return self.trainer.epoch == self.config.epochs or self.selection.stops

    def finish(self) -> Evaluation:
        """Save the model, evaluate it, draw, and mark the run as ended."""
        for part, kept in self.selection.best.get("state", {}).items():
            getattr(self, part).load_state_dict(kept)
        self.model.eval()
        self.folder.save_model(self.weights())
        losses = training_losses(self.folder)
        evaluation = evaluate(self.model, self.loss, self.config, self.splits, self.runtime, losses)
        self.folder.write_json(EVALUATION, evaluation)
        if self.runtime.draw:
            self.draw()
        if self.runtime.animation:
            frames = [self.folder.read(path.name) for path in sorted(self.folder.path.glob(FRAMES))]
            self.folder.replace(ANIMATION, lambda file: file.write(self.runtime.animation.join(frames)))
        self.write_config(ended_after=self.config.epochs)
        return evaluation

    @contextmanager
    def saving(self) -> Iterator[None]:
        """Save the last whole epoch where the block is broken off, however that comes about.

        A lost rank, a number that is not finite and an interruption say what is saved. In place of a KeyboardInterrupt
        there is an Interrupted.
        """
        try:
            yield
        except KeyboardInterrupt as end:
            try:
                self.save(self.unsaved)
            except EndedAtOnce as second:
                raise Interrupted(f"{second}, at once; {self.what_is_saved()}, {self.way_on()}", second) from None
            raise Interrupted(f"{str(end) or 'interrupted'}; {self.what_is_saved()}, {self.way_on()}", end) from None
        except Exception as error:
            with suppress(Exception):  # the first error is the one to tell of
                self.save(self.unsaved)
            if isinstance(error, RankLost):
                raise RankLost(f"{error}; {self.what_is_saved()}, {self.way_on()}") from None
            if isinstance(error, NonFiniteError):
                raise NonFiniteError(f"{error}; {self.what_is_saved()}: {remedy_of(error)}", error.step) from None
            raise

    def save(self, state: dict[str, Any] | None) -> None:
        """Write a checkpoint of a state, if there is one to save."""
        if state is not None:
            self.folder.save_checkpoint(state)
        self.unsaved, self.saved_at = None, monotonic()

    def what_is_saved(self) -> str:
        """How far the checkpoint reaches, in words."""
        checkpoint = self.folder.load_checkpoint() if (self.folder / CONFIG).exists() else None
        if checkpoint is None:
            return "no epoch is saved"
        done, position = checkpoint["epoch"], checkpoint.get("position")
        part = f"{position['means']['batches']} batches of epoch {done + 1}" if position else ""
        epochs = f"epochs 1 to {done}" if done else ""
        return f"the checkpoint holds {' and '.join(filter(None, (epochs, part)))}"

    def way_on(self) -> str:
        """What is lost, and the command that goes on with the run, or begins it again where it has no config.json."""
        if not (self.folder / CONFIG).exists():
            return "and nothing else of this run: the same command begins it again"
        again = resume_command(self.folder.path, self.runtime, self.config.dataset)
        return f"what came after is lost: {again} goes on"

    def show(self, records: list[dict[str, Any]]) -> None:
        """Show lines of metrics, as they are in the file."""
        if self.runtime.tensorboard:
            write_scalars(self.folder, records, afresh=False)
        train, *others = records
        self.progress.epoch_line(train, others[-1] if others else {} if self.config.evaluate_every else self.glance())

    def glance(self) -> dict[str, Any]:
        """What the first test images come to, which is shown and goes into no file; nothing if that is not finite."""
        try:
            return evaluator(self.model, self.loss, self.config).evaluate(self.splits["test"].data[:GLANCE])
        except NonFiniteError:
            return {}

    def write_config(self, *, ended_after: int | None) -> None:
        """Write config.json: the configuration, what it was run with, and after how many epochs the run ended."""
        config = {**asdict(self.config), "dataset": portable_name(self.config.dataset)}
        record = {"data": data_record(self.splits), **self.environment, "ended_after": ended_after}
        record |= self.selection.told(self.trainer.epoch) if ended_after and "validation" in self.splits else {}
        self.folder.write_json(CONFIG, {**config, **record})

    def draw(self) -> None:
        """Write the pictures."""
        metrics = self.folder.read_metrics()  # another rank may not see them yet
        for name, figure in self.runtime.draw(self.model, self.splits, self.config, metrics).items():
            self.folder.replace(name, lambda file, figure=figure: figure.savefig(file, format="png"))

    def keep_frame(self) -> None:
        """Write down how pictures stand after this epoch, if that is asked for: after each, or a hundredth of all."""
        epoch, animation = self.trainer.epoch, self.runtime.animation
        if animation and (self.done or epoch % -(-self.config.epochs // FRAMES_AT_MOST) == 0):
            self.model.eval()
            figure = animation.draw(self.model, self.splits, self.config, epoch)
            self.folder.replace(FRAME.format(epoch), lambda file: figure.savefig(file, format="png"))


def remedy_of(error: NonFiniteError) -> str:
    """What to do about a number that is not finite; before the first step has been taken, no rate is to blame."""
    rest = "other data, or a smaller weight or a larger scale of --loss" if error.step == 1 else "a smaller --lr"
    return f"start again with {rest}"
