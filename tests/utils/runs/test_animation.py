"""--gif: a frame of each epoch, kept beside a run, and one GIF of them at its end."""

import io
from dataclasses import replace

import pytest
from matplotlib.figure import Figure
from PIL import Image, ImageSequence

from small_runs import config
from utils.figures.one_run import join_frames
from utils.runs.folder import ANIMATION, FRAMES, MODEL
from utils.runs.run import resume, run
from utils.runs.runtime import Animation, Interrupted, resume_command
from vae.training.trainer import Trainer


def shade_of(epoch):
    """The grey of an epoch's frame, by which it is known again."""
    return 40 * epoch / 255


@pytest.fixture
def animated(runtime):
    """With a small plain frame of each epoch."""

    def draw(model, splits, config, epoch):
        assert not model.training
        return Figure(figsize=(1, 1), dpi=20, facecolor=(shade_of(epoch),) * 3)

    return replace(runtime, animation=Animation(draw, join_frames))


def epochs_of(runtime, name="exp"):
    """The epochs that the frames of a GIF are of."""
    with Image.open(io.BytesIO((runtime.results_dir / name / ANIMATION).read_bytes())) as image:
        frames = [frame.convert("L").getpixel((2, 2)) for frame in ImageSequence.Iterator(image)]
    return [frame / 40 for frame in frames]


def test_there_is_a_frame_before_the_first_epoch_and_after_each(animated, runtime, capsys):
    run(config(epochs=3), animated)
    assert epochs_of(animated) == [0, 1, 2, 3]
    assert capsys.readouterr().out.endswith(f"pictures among them: {ANIMATION}\n")
    run(config("plain", epochs=3), runtime)
    one, other = (runtime.results_dir / name / MODEL for name in ("exp", "plain"))
    assert one.read_bytes() == other.read_bytes(), "frames change no bit"


def test_a_run_that_is_interrupted_and_goes_on_loses_no_frame(animated, monkeypatch):
    train_epoch = Trainer.train_epoch

    def breaking(trainer):
        if trainer.epoch == 2:
            raise KeyboardInterrupt
        return train_epoch(trainer)

    with monkeypatch.context() as patch, pytest.raises(Interrupted, match=" --resume .*--gif goes on"):
        patch.setattr(Trainer, "train_epoch", breaking)
        run(config(epochs=4), animated)
    assert not (animated.results_dir / "exp" / ANIMATION).exists()
    resume("exp", {}, animated)
    assert epochs_of(animated) == [0, 1, 2, 3, 4]
    resume("exp", {"epochs": 6}, animated)
    assert epochs_of(animated) == [0, 1, 2, 3, 4, 5, 6]


def test_many_epochs_have_a_hundred_frames_or_so(animated, monkeypatch):
    monkeypatch.setattr("utils.runs.running.FRAMES_AT_MOST", 2)
    run(config(epochs=5), animated)
    assert epochs_of(animated) == [0, 3, 5]


def test_a_run_that_is_replaced_leaves_no_frame(animated, runtime):
    run(config(epochs=1), animated)
    own = runtime.results_dir / "exp" / "frame-1.png"
    own.write_text("the user's")
    run(config(epochs=1), runtime, overwrite=True)
    left = {path.name for path in (runtime.results_dir / "exp").iterdir()}
    assert ANIMATION not in left and not list((runtime.results_dir / "exp").glob(FRAMES))
    assert own.exists()


def test_the_command_that_goes_on_has_the_flag(animated, runtime):
    assert "--gif" in resume_command(runtime.results_dir / "exp", animated)
    assert "--gif" not in resume_command(runtime.results_dir / "exp", runtime)


def test_frames_of_different_sizes_have_the_size_of_the_largest():
    files = []
    for size in ((10, 20), (30, 12)):
        file = io.BytesIO()
        Image.new("RGB", size, "red").save(file, "PNG")
        files.append(file.getvalue())
    with Image.open(io.BytesIO(join_frames(files))) as image:
        assert (image.n_frames, image.size) == (2, (15, 10)), "half of it"
