"""The page, the figures, and how a report is asked for."""

import json
import os
import re
from html.parser import HTMLParser

import numpy as np
import pytest

import main as command_line
from utils.figures.images import image_grid
from utils.figures.style import SQUARED_ERROR, look_of
from utils.grids.saved import pages_held
from utils.machine.locks import held
from utils.report.report import swept_figures
from utils.runs.config import RunConfig
from utils.runs.folder import CONFIG, EVALUATION, EXPLORE, RECONSTRUCTIONS, REPORT, TABLE, ResultsError, ResultsFolder
from written_runs import EVIDENCE, report, write_grid, write_run


class Page(HTMLParser):
    """What a page consists of, and whether each of its elements is closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.texts = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in ("img", "meta", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def test_the_page_shows_names_as_they_are_and_fetches_nothing(results):
    name = "folder:<script>alert(1)</script>&\"'|*x*"
    config = RunConfig("<b>run", dataset=name, loss="KL")
    write_run(results / "a<i>" / "<b>run", config, 10.0)
    picture = image_grid(np.zeros((2, 3, 1, 32, 32)), title="digits")
    picture.savefig(results / "a<i>" / "<b>run" / RECONSTRUCTIONS, format="png")
    report(results, "a<i>")
    text = (results / "a<i>" / REPORT).read_text()
    page = Page(text)
    assert page.open == []
    assert "<script>alert" not in text and "<b>" not in text and "<i>" not in text
    assert name in page.texts and "a<i>" in page.texts
    assert [attributes for tag, attributes in page.elements if tag == "script"] == [{}]
    addresses = [a for _, attributes in page.elements for key, a in attributes.items() if key in ("src", "href")]
    assert all(address.startswith(("data:image/webp;base64,", "#")) for address in addresses)
    assert sum(tag == "img" for tag, _ in page.elements) == 1
    anchors = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    assert {address[1:] for address in addresses if address[0] == "#"} <= anchors
    assert "url(" not in text and "@import" not in text
    text = (results / "a<i>" / TABLE).read_text()
    assert "<" not in re.sub(r"^    .*$", "", text, flags=re.MULTILINE)  # but in commands, which are literal


def test_the_settings_are_told_that_people_look_for_and_those_that_are_not_at_their_defaults(results):
    flags = {"dataset": "digits", "network": "resnet", "width": 4, "lr": 1e-3, "seed": [0, 1], "evaluate_every": 2}
    write_grid(results / "exp", lambda c: 10.0, loss=["KL", "GJS"], GJS_A=0.1, **flags)
    assert report(results).settings()["all"] == (
        "network resnet (default burgess); latent-dim 10; batch-size 64; lr 0.001 (default 0.0001); noise 0; "
        "width 4 (default 16)"
    )
    write_grid(results / "some", lambda c: 10.0, loss="KL", dataset="digits", prior=["standard", "vamp"])
    told = report(results, "some").settings()["all"]
    assert told == "latent-dim 10; prior standard, prior vamp; batch-size 64; lr 0.0001; noise 0"


def test_the_page_has_the_pictures_of_each_run(results):
    write_grid(results / "exp", lambda c: 10.0, loss=["KL", "rKL"], dataset="digits")
    for name in ("reconstructions", "traversals", "curves", "samples"):
        figure = image_grid(np.zeros((1, 2, 1, 8, 8)), title=name)
        for run in ("loss-KL", "loss-rKL"):
            figure.savefig(results / "exp" / run / f"{name}.png", format="png")
    report(results)
    alternatives = [a["alt"] for tag, a in Page((results / "exp" / REPORT).read_text()).elements if tag == "img"]
    expected = [
        f"{name}.png of loss-{loss}"
        for loss in ("KL", "rKL")
        for name in ("reconstructions", "samples", "traversals", "curves")
    ]
    assert alternatives == expected


def test_the_page_has_every_number_of_an_evaluation(results):
    config = RunConfig("exp", dataset="digits", loss="KL", importance_samples=8)
    write_run(results / "exp", config, 10.0)
    evaluation = json.loads((results / "exp" / EVALUATION).read_text())
    evaluation["test"]["evidence"] = EVIDENCE | {"mean": -123.456789, "interval": [-124.0, -122.5], "images": 10}
    (results / "exp" / EVALUATION).write_text(json.dumps(evaluation))
    report(results)
    texts = Page((results / "exp" / REPORT).read_text()).texts
    for name, value in {
        "evidence mean": "-123.46",
        "evidence interval": "-124, -122.5",
        "evidence images": "10",
    }.items():
        assert texts[texts.index(name) + 1] == value


def test_figures_have_a_curve_for_each_skewed_loss_and_lines_for_others(results):
    flags = {"loss": ["KL", "GJS", "dGJS"], "GJS_A": [0.1, 0.3], "dataset": "mnist", "seed": [0, 1]}
    write_grid(results / "exp", lambda c: (c.loss_options.get("GJS_A", 2.0) + c.seed, 1.0), **flags)
    found = swept_figures(report(results))
    (name,) = found
    assert (results / "exp" / name).read_bytes().startswith(b"\x89PNG")
    for axes in found[name].axes:
        lines = [line for line in axes.lines if list(line.get_xdata()) == [0, 1]]
        horizontal = {line.get_linestyle(): line.get_ydata()[0] for line in lines}
        assert horizontal["-"] == 2.5 and horizontal["--"] == 1.0
        test, train = (container.lines[0] for container in axes.containers)
        assert (test.get_linestyle(), train.get_linestyle()) == ("-", "--")
        assert test.get_xdata().tolist() == [0.1, 0.3]
        assert test.get_ydata() == pytest.approx([0.6, 0.8])


def test_any_swept_option_has_its_figure_in_the_colours_of_the_losses(results):
    flags = {"loss": ["KL", "betaH"], "betaH_B": [0.5, 2.0, 4.0], "lr": [1e-3, 1e-4], "dataset": "digits"}
    write_grid(results / "exp", lambda c: c.loss_options.get("betaH_B", 3.0), **flags)
    found = swept_figures(report(results))
    assert list(found) == [f"{flag}_dataset-digits_rec-dist-bernoulli.png" for flag in ("beta", "lr")]
    figure, _ = found.values()
    for axes, lr in zip(figure.axes, ("0.0001", "0.001"), strict=True):
        assert axes.get_title() == f"betaH lr = {lr}"
        assert (axes.get_xlabel(), axes.get_xscale()) == ("β", "log")
        curve = axes.containers[0].lines[0]
        assert curve.get_xdata().tolist() == curve.get_ydata().tolist() == [0.5, 2, 4]
    labels = {
        text.get_text(): handle for handle, text in zip(figure.legends[0].legend_handles, figure.legends[0].texts)
    }
    assert labels["betaH lr = 0.0001"].get_color() == look_of("betaH").color
    assert labels["KL lr = 0.0001"].get_color() == look_of("KL").color != labels["KL lr = 0.001"].get_color()


def test_a_setting_with_several_values_has_its_figure_with_all_losses(results):
    flags = {
        "loss": ["KL", "dGJS"],
        "latent_dim": [2, 4, 8],
        "dataset": "digits",
        "rec_dist": ["bernoulli", "gaussian"],
    }
    write_grid(results / "exp", lambda c: c.latent_dim + (c.loss == "KL"), **flags)
    found = swept_figures(report(results))
    assert list(found) == [f"latent-dim_dataset-digits_rec-dist-{name}.png" for name in ("bernoulli", "gaussian")]
    for figure in found.values():
        (axes,) = figure.axes
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("latent-dim", SQUARED_ERROR)
        curves = [container.lines[0].get_ydata().tolist() for container in axes.containers]
        assert curves[::2] == [[3, 5, 9], [2, 4, 8]]
        assert [text.get_text() for text in figure.legends[0].texts] == ["KL", "dGJS α = 0.5", "train", "test"]


def test_the_evidence_has_its_figure_where_it_was_measured_by_as_many_draws(results):
    flags = {"loss": "betaH", "betaH_B": [1.0, 2.0], "dataset": "digits", "importance_samples": 100}
    write_grid(results / "exp", lambda c: 1.0, **flags)
    for place in (results / "exp").glob(f"*/{EVALUATION}"):
        evaluation = json.loads(place.read_text())
        beta = json.loads((place.parent / "config.json").read_text())["loss_options"]["betaH_B"]
        evaluation["test"]["evidence"] = EVIDENCE | {"mean": -100.0 * beta}
        place.write_text(json.dumps(evaluation))
    found = swept_figures(report(results))
    assert list(found) == [f"{part}beta_dataset-digits_rec-dist-bernoulli.png" for part in ("", "evidence-")]
    (axes,) = list(found.values())[1].axes
    assert axes.get_ylabel() == "log p(x) of test images (nats)"
    (container,) = axes.containers
    assert container.lines[0].get_ydata().tolist() == [-100, -200]
    evaluation["test"]["evidence"]["importance_samples"] = 200  # as --is-eval-only --importance-samples 200 does
    place.write_text(json.dumps(evaluation))
    assert list(swept_figures(report(results))) == ["beta_dataset-digits_rec-dist-bernoulli.png"]


def test_options_of_one_symbol_have_figures_of_their_own(results):
    alphas = {"GJS_A": [0.3, 0.5], "VR_A": [0.2, 0.8]}
    write_grid(results / "exp", lambda c: 1.0, loss=["GJS", "VR"], dataset="digits", **alphas)
    names = [f"{flag}_dataset-digits_rec-dist-bernoulli.png" for flag in ("GJS-A", "VR-A")]
    assert list(swept_figures(report(results))) == names
    assert all((results / "exp" / name).exists() for name in names)


def test_pages_of_a_grid_are_written_by_one_process_after_the_other(results):
    write_grid(results / "exp", lambda c: 1.0, loss=["KL", "AE"], dataset="digits")
    grid = results / "exp"
    with pages_held(ResultsFolder(grid)), pytest.raises(BlockingIOError), held(grid, wait=False):
        pass
    run = grid / "loss-KL"  # held by who trains it: its page does not wait
    with held(run), pages_held(ResultsFolder(run)):
        pass


def test_the_same_files_give_the_same_report(results):
    write_grid(results / "exp", lambda c: 10.0, "figure3", GJS_A=[0.1, 0.3], loss="GJS")
    report(results)
    first = {path.name: path.read_bytes() for path in (results / "exp").iterdir() if path.is_file()}
    report(results)
    assert {path.name: path.read_bytes() for path in (results / "exp").iterdir() if path.is_file()} == first


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        (CONFIG, "{", "config.json is damaged"),
        (CONFIG, "[]", "config.json is damaged (it holds a list instead of an object)"),
        (EVALUATION, "{", "evaluation.json is damaged"),
        (EVALUATION, "[1]", "evaluation.json is damaged (it holds a list instead of an object): --is-eval-only"),
        (EVALUATION, '{"test": {}}', "evaluation.json is damaged (train is missing)"),
    ],
)
def test_a_damaged_file_is_one_line_and_nothing_is_written(file, content, message, results, capsys):
    write_grid(results / "exp", lambda c: 10.0, loss=["KL", "rKL"], dataset="digits")
    (results / "exp" / "loss-KL" / file).write_text(content)
    with pytest.raises(SystemExit) as exit:
        command_line.main(["exp", "--report"])
    out, err = capsys.readouterr()
    assert (exit.value.code, out, err.count("\n")) == (2, "", 1)
    assert message in err
    assert not (results / "exp" / REPORT).exists()


def test_no_such_experiment(results):
    with pytest.raises(
        ResultsError, match="results/exp does not exist: check the name, or train runs of that name first$"
    ):
        report(results)
    (results / "exp").mkdir(parents=True)
    with pytest.raises(
        ResultsError, match="results/exp holds no runs: check the name, or train runs of that name first$"
    ):
        report(results)
    with pytest.raises(ResultsError, match=re.escape("experiment name '../exp': expected one folder name")):
        report(results, "../exp")


@pytest.mark.slow
def test_runs_are_made_and_then_reported(results, capsys):
    flags = "--dataset digits --loss GJS --GJS-A 0.1 0.3 -e 1 -b 8 --train-size 16 --test-size 8 --no-cuda".split()
    command_line.main(["exp", *flags, "--report"])
    assert (
        "report of 2 of 2 runs in results/exp/report.html, beside it table.md, table.csv, alpha_"
        in capsys.readouterr().out
    )
    first = (results / "exp" / REPORT).read_bytes()
    assert first.count(b"<img") == 1 + 2 * 6
    command_line.main(["exp", "--report"])
    assert (results / "exp" / REPORT).read_bytes() == first


@pytest.mark.parametrize("single", [True, False])
def test_the_page_to_play_with_is_linked_from_where_it_lies(single, results):
    config = RunConfig.from_flags("run", {"dataset": "digits"})
    folder = results / "exp" if single else results / "exp" / "run"
    write_run(folder, config, 1.0)
    (folder / EXPLORE).touch()
    report(results)
    links = re.findall(r'href="([^"]*explore.html)"', (results / "exp" / REPORT).read_text())
    assert links == ([EXPLORE] if single else [f"run/{EXPLORE}"])


def not_a_picture(place):
    place.write_bytes(b"a text")


def cut_short(place):
    place.write_bytes(b"\x89PNG\r\n\x1a\n")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda place: place.symlink_to(place.parent.parent.parent / "private"), "it is a link, which is not followed"),
        (lambda place: os.mkfifo(place), "it is no regular file"),
        (lambda place: place.mkdir(), "it is no regular file"),
        (not_a_picture, "it is no PNG file"),
        (cut_short, "it is no PNG file"),
    ],
)
def test_what_only_has_the_name_of_a_picture_is_left_out_of_the_page(spoil, reason, results, capsys):
    write_run(results / "exp", RunConfig.from_flags("exp", {"dataset": "digits"}), 1.0)
    (results.parent / "private").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(200)))
    place = results / "exp" / RECONSTRUCTIONS
    spoil(place)
    report(results)
    assert f"note: {place.relative_to(results.parent)} is left out of the page: {reason}" in capsys.readouterr().out
    assert "<img" not in (results / "exp" / REPORT).read_text()
