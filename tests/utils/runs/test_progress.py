"""What a run shows while it is at work. No clock decides a test."""

import json

import pytest
import torch

from small_runs import config
from utils.figures.one_run.drawing import run_title
from utils.runs import progress
from utils.runs.folder import METRICS
from utils.runs.progress import GLANCE, SETTLED, Pace, Progress, about, show_aim, show_plan
from utils.runs.run import resume, run

TRAIN = {"epoch": 1, "step": 9, "split": "train", "loss": 25.0, "reconstruction": 21.5, "divergence": 3.5}
TRAIN |= {"kl_to_prior": 1.25, "seconds": 2.0, "images_per_second": 500.4}
SEEN = {"squared_error": 17.04, "reconstruction": 20.0, "elbo": -22.5}


@pytest.fixture
def clock(monkeypatch):
    """A clock that is set by hand."""
    now = [100.0]
    monkeypatch.setattr(progress, "perf_counter", lambda: now[0])
    return now


def test_a_run_says_first_what_it_will_do_then_has_a_table_of_its_epochs(runtime, capsys):
    made = config(loss="dGJS", GJS_A=0.3, network="burgess", epochs=2)
    run(made, runtime)
    aim, plan, legend, heads, first, second, *rest = capsys.readouterr().out.splitlines()
    assert aim.startswith("digits, dGJS (α = 0.3, λ = 1.0, ")
    assert "burgess networks, 3 latent dimensions, bernoulli, seed 1234; cpu with " in aim
    assert plan == "20 train and 10 test images, 32x32 grey; 463,783 parameters; 2 epochs of 3 steps"
    assert legend == "squared error and KL(q‖p): of the test images, z = posterior mean; other terms: of training"
    assert heads.split()[:5] == ["epoch", "squared", "error", "KL(q‖p)", "loss"]
    assert [line.split()[0] for line in (first, second)] == ["1/2", "2/2"]
    ends = [heads.index(name) + len(name) for name in ("epoch", "squared error", "KL(q‖p)", "loss", "images/s")]
    assert all(line[end - 1] != " " and line[end : end + 2] in ("  ", "") for line in (first, second) for end in ends)
    records = [json.loads(line) for line in (runtime.results_dir / "exp" / METRICS).read_text().splitlines()]
    assert first.split()[3] == progress.digits(records[0]["loss"])
    assert all("squared_error" not in record for record in records), "a glance goes into no file"
    assert rest[-1].startswith("results in ")


def test_the_aim_is_said_before_the_data_are_loaded(runtime, capsys, monkeypatch):
    said = []
    monkeypatch.setattr("utils.runs.running.load_splits", lambda *_: said.append(capsys.readouterr().out) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run(config(), runtime)
    assert said[0].startswith("digits, ") and said[0].count("\n") == 1


def test_a_glance_at_test_images_changes_no_bit(runtime, monkeypatch):
    run(config("with"), runtime)
    monkeypatch.setattr("utils.runs.running.Run.glance", lambda run: {})
    run(config("without"), runtime)
    one, other = ((runtime.results_dir / name / "model.pt").read_bytes() for name in ("with", "without"))
    assert one == other


def test_the_line_of_an_epoch_has_the_test_images_where_they_are_evaluated(runtime, capsys):
    run(config(evaluate_every=2), runtime)
    first, second = capsys.readouterr().out.splitlines()[4:6]
    record = json.loads((runtime.results_dir / "exp" / METRICS).read_text().splitlines()[-1])
    assert second.split()[1] == progress.digits(record["squared_error"])
    assert len(second.split()) == len(first.split()), "time left in the first, two numbers less"


def test_a_run_that_goes_on_says_what_is_done(runtime, capsys):
    run(config(), runtime)
    capsys.readouterr()
    resume("exp", {"epochs": 3}, runtime)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].endswith("; 3 epochs of 3 steps, 2 of them done")
    assert lines[4].split()[0] == "3/3"


@pytest.mark.parametrize(("steps", "noted"), [(6, False), (7, True)])
def test_a_part_of_the_objective_that_does_not_grow_up_is_told(steps, noted, runtime, capsys):
    run(config(loss="factor", epochs=2, reg_anneal=steps), runtime)
    said = f"note: --reg-anneal {steps} does not end within the 6 steps: --loss factor is evaluated in its final form"
    assert (said in capsys.readouterr().out) == noted


def test_the_plan_tells_which_images_a_line_is_about(capsys):
    class Split:
        vectors, image_shape = None, (1, 32, 32)

        def __init__(self, size):
            self.size = size

        def __len__(self):
            return self.size

    splits = {"train": Split(6000), "test": Split(1000)}
    show_plan(config(), splits, 5, 0)
    show_plan(config(evaluate_every=1), splits, 5, 0)
    show_plan(config(validation_size=5), {**splits, "validation": Split(5)}, 5, 0)
    first, every, held = (line for line in capsys.readouterr().out.splitlines() if line.startswith("squared"))
    assert f"of the first {GLANCE} test images" in first
    assert "of the test images" in every
    assert "of the validation images" in held


def test_a_prior_or_a_posterior_that_was_chosen_is_told(capsys):
    show_aim(config(loss="KL", prior="vamp", prior_components=5), torch.device("cpu"))
    show_aim(config(loss="GJS", posterior="full"), torch.device("cpu"))
    first, second = capsys.readouterr().out.splitlines()
    assert "networks, 3 latent dimensions, prior vamp, prior-components 5, bernoulli, seed" in first
    assert "networks, 3 latent dimensions, posterior full, bernoulli, seed" in second
    assert "prior vamp, prior-components 5, 2 epochs" in run_title(config(loss="KL", prior="vamp", prior_components=5))


def test_an_option_of_the_prior_that_another_replaces_is_not_told(capsys):
    show_aim(config(loss="CS"), torch.device("cpu"))
    show_aim(config(loss="CS", prior="vamp"), torch.device("cpu"))
    own, other = capsys.readouterr().out.splitlines()
    assert "CS (components = 10, λ = 1.0, prior-network = True)" in own
    assert "CS (λ = 1.0)" in other


def test_the_aim_names_the_device(capsys):
    show_aim(config(loss="KL"), torch.device("cuda:1"))
    assert capsys.readouterr().out.startswith("digits, KL: ")
    show_aim(config(loss="KL"), torch.device("cuda:1"))
    assert capsys.readouterr().out.endswith("; cuda:1\n")


def test_what_is_left_of_a_run_goes_as_what_was_done_since_its_first_step(clock):
    pace = Pace(epochs=10)
    pace.start_epoch(3, 100)  # it goes on
    clock[0] += 50  # the first step is slower than others
    pace.advance(10)
    assert pace.left() == 0 and pace.told() == ""
    clock[0] += 9
    pace.advance(90)
    assert pace.left() == pytest.approx(70)
    assert pace.told() == "about 70 seconds"


def advance(shown, clock, steps):
    """So many steps of 10 images, of a hundredth of a second each."""
    for _ in range(steps):
        clock[0] += 0.01
        shown.advance(10)


def test_without_a_terminal_a_line_comes_after_the_first_steps_and_then_now_and_then(clock, capsys):
    shown = Progress(2)
    shown.start_epoch(1, 100_000)
    advance(shown, clock, SETTLED - 1)
    assert capsys.readouterr().out == ""
    advance(shown, clock, 1)
    assert capsys.readouterr().out == "epoch 0.01 of 2, 1000 images/s, about 3 minutes left\n"
    advance(shown, clock, 6200)
    assert capsys.readouterr().out.count("\n") == 1, "one more, a minute later"


def test_of_short_runs_there_is_no_such_line(clock, capsys):
    shown = Progress(1)
    shown.start_epoch(1, 5000)
    advance(shown, clock, 3 * SETTLED)
    assert capsys.readouterr().out == ""


def test_a_narrow_terminal_has_the_first_columns_and_the_time_left(monkeypatch, capsys):
    monkeypatch.setattr(progress.sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    shown = Progress(30)
    shown.epoch_line(TRAIN, SEEN)
    heads, line = capsys.readouterr().out.splitlines()
    assert max(len(heads), len(line)) <= 80
    assert " ".join(heads.split()) == "epoch squared error KL(q‖p) loss images/s time left"
    assert line.split() == ["1/30", "17.04", "2.500", "25.00", "500"]


def test_numbers_that_are_not_known_leave_their_place_empty(capsys):
    shown = Progress(30)
    shown.epoch_line(TRAIN, SEEN)
    shown.epoch_line(TRAIN, {})
    heads, known, unknown = capsys.readouterr().out.splitlines()
    assert "reconstruction" in heads and "kl to prior" in heads
    assert len(known) == len(unknown) and known[heads.index("loss") :] == unknown[heads.index("loss") :]


@pytest.mark.parametrize(
    "seconds, words",
    [
        (0.2, "1 second"),
        (59, "59 seconds"),
        (89, "89 seconds"),
        (100, "2 minutes"),
        (5000, "83 minutes"),
        (9000, "2 hours"),
    ],
)
def test_durations_are_told_in_words(seconds, words):
    assert about(seconds) == f"about {words}"
