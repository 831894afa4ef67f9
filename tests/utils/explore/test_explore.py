"""The page decodes as PyTorch does, and does what it is asked for."""

import errno
import json
import os
import re
import shutil
from pathlib import Path

import pytest
import torch
from torch import nn

import main as command_line
import vae
from browser import opened
from mistakes import check_refused
from own_data import fill
from saved_groups import change
from small_runs import SMALL
from utils.explore.comparison import configurations, every_quantity, summary_of, two_in_words
from utils.explore.decoders import describe
from utils.figures.style import class_colors
from utils.grids.saved import read_run
from utils.pages import raised
from utils.results.cells import estimate_text
from utils.results.groups import estimate
from utils.runs.config import RunConfig
from utils.runs.folder import CONFIG, EVALUATION, EXPLORE, ResultsError
from vae.losses import LOSSES
from vae.models import build_model
from vae.models.likelihoods.bernoulli import Bernoulli
from written_runs import EVIDENCE, write_run

pytestmark = pytest.mark.slow

SCRIPT = Path(command_line.__file__).parent / "utils" / "explore" / "decoder.js"
DECODE = "return arguments[0].map((z) => Array.from(decoders[arguments[1]].decode(z)))"
NAMES = ["KL", "dGJS α = 0.5"]
FEW = {name: str(value) for name, value in SMALL.items()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A grid of two small runs with its page."""
    root = tmp_path_factory.mktemp("results")
    small = [word for name, value in FEW.items() for word in (f"--{name.replace('_', '-')}", value)]
    flags = "-l KL dGJS -e 1 --no-cuda --no-progress-bar --explore".split()
    command_line.main(["pair", *flags, *small, "--results-dir", str(root)], draw=None)
    return root / "pair"


def rounded(path):
    """The model of a run with the weights that the page has."""
    model, _, _ = vae.load(path)
    model.decoder.half().float()
    return model


def test_the_page_decodes_as_pytorch_does_with_the_same_rounded_weights(folder):
    z = torch.randn(6, 3, generator=torch.Generator().manual_seed(0)) * 2
    with opened(folder / EXPLORE) as browser:
        names = browser.execute_script("return content.models.map((model) => model.name)")
        assert names == NAMES
        for number, run in enumerate(("loss-KL", "loss-dGJS")):
            found = torch.tensor(browser.execute_script(DECODE, z.tolist(), number)).view(6, 32, 32)
            with torch.inference_mode():
                expected = rounded(folder / run).decode(z)[:, 0]
            assert (found - expected).abs().max() < 1 / 255


IMAGES = [((3, 32, 32), "bernoulli"), ((1, 64, 64), "laplace"), ((3, 64, 64), "gaussian")]
IMAGES += [((1, 32, 32), name) for name in ("continuous-bernoulli", "gaussian-sigma")]


@pytest.mark.parametrize(("shape", "rec_dist"), IMAGES)
def test_images_of_every_size_and_colour_are_decoded_under_every_likelihood(shape, rec_dist, tmp_path):
    torch.manual_seed(0)
    model = build_model(shape, latent_dim=2, rec_dist=rec_dist).eval()
    model.decoder.layers[-1].weight.data *= 10  # images of black and white, as after training
    model.decoder.half().float()
    (tmp_path / "decoder.html").write_text(
        f"<script>{SCRIPT.read_text()}</script>"
        f"<script>const decoders = [new Decoder({json.dumps(describe(model))})]</script>"
    )
    z = torch.randn(2, 2)
    with opened(tmp_path / "decoder.html") as browser:
        found = torch.tensor(browser.execute_script(DECODE, z.tolist(), 0)).view(2, *shape[1:], shape[0])
    with torch.inference_mode():
        assert (found.permute(0, 3, 1, 2) - model.decode(z)).abs().max() < 1 / 255


def test_people_move_pick_draw_and_interpolate(folder):
    with opened(folder / EXPLORE) as browser:
        z = lambda: browser.execute_script("return panels.map((panel) => Array.from(panel.z))")  # noqa: E731
        means = browser.execute_script("return [0, 1].map((n) => panels.map((panel) => Array.from(panel.mean(n))))")
        assert z() == means[0], "the first image is picked"
        play, way = (browser.find_element("id", name) for name in ("play", "way"))
        assert not play.is_enabled() and way.text == "Pick another image to go there"
        browser.find_element("css selector", "#strip button:nth-child(2)").click()
        assert z() == means[1]
        assert "posterior mean of test image 2, class " in browser.find_element("id", "state").text
        assert play.is_enabled() and way.text == "From the image before to this one"
        browser.execute_script("between.value = 0.25; between.dispatchEvent(new Event('input'))")
        expected = torch.lerp(torch.tensor(means[0]), torch.tensor(means[1]), 0.25)
        torch.testing.assert_close(torch.tensor(z()), expected)
        browser.find_element("id", "draw").click()
        first, second = z()
        assert first == second, "both decode the same draw"
        browser.execute_script("panels[1].model.draws.fill(7)")  # of another prior
        browser.find_element("id", "draw").click()
        assert z()[0] not in (first, [7, 7, 7]) and z()[1] == [7, 7, 7], "each decodes a draw of its own prior"
        slider = browser.find_element("css selector", ".panel .slider input")
        index = browser.execute_script("return panels[0].sliders[0].index")
        slider.send_keys("\ue010")  # the End key
        assert [own[index] for own in z()] == [pytest.approx(float(slider.get_attribute("max")), abs=0.01)] * 2
        assert browser.find_element("id", "state").text.endswith("; then dimensions were moved.")
        browser.find_element("id", "centre").click()
        assert z() == [[0, 0, 0]] * 2
        assert browser.find_element("id", "state").text == "z is at the prior's mean."


def test_models_are_compared_on_the_same_images_and_draws(folder):
    text = (folder / EXPLORE).read_text()
    for run in ("loss-KL", "loss-dGJS"):
        error = json.loads((folder / run / EVALUATION).read_text())["test"]["squared_error"]
        assert f'<td data-name="squared error">{error:.2f}</td>' in text
    assert "λ JS*<sup>G</sup><sub>α</sub>(q‖p)" in text and "N ∝ q<sup>α</sup> p<sup>(1−α)</sup>" in text
    assert "The same for all: digits, trained with bernoulli, 1 epoch" in text
    assert "{train_size} training images, {test_size} test images".format_map(SMALL) in text
    assert "These differ in the divergence" in text
    with opened(folder / EXPLORE) as browser:
        rows = [canvas.get_attribute("aria-label") for canvas in browser.find_elements("css selector", "#table canvas")]
    made = [f"{what} by {name}" for what in ("reconstructed", "z drawn from the prior, decoded") for name in NAMES]
    assert rows == ["test images", *made]


def test_every_quantity_of_all_models_is_in_a_table(folder):
    tests = [json.loads((folder / run / EVALUATION).read_text())["test"] for run in ("loss-KL", "loss-dGJS")]
    found = every_quantity(configurations([read_run(folder / run) for run in ("loss-KL", "loss-dGJS")]))
    assert found["ELBO"] == [f"{test['elbo']:.1f}" for test in tests]
    assert found["active units"] == [str(test["active_units"]) for test in tests]
    to_prior = LOSSES["dGJS"].extras_called["kl_to_prior"]
    assert found[to_prior] == ["–", f"{tests[1]['kl_to_prior']:.3f}"]
    assert {"loss", "reconstruction error", "divergence", "squared error"} < found.keys()
    text = (folder / EXPLORE).read_text()
    for name, cells in found.items():
        assert f'<tr><th scope="row">{name}</th>' + "".join(f"<td>{cell}</td>" for cell in cells) in text


def test_the_evidence_has_a_row_for_each_of_its_numbers(tmp_path):
    config = RunConfig.from_flags("one", {"dataset": "digits"})
    write_run(tmp_path / "one", config, 1.0)
    evaluation = json.loads((tmp_path / "one" / EVALUATION).read_text())
    evaluation["test"] |= {"evidence": EVIDENCE | {"prior_sampling": -190.0}, "aggregate_distance": 0.012}
    evaluation["disentanglement"] = {"mig": 0.25, "mig_of_factors": [0.1, 0.4]}
    (tmp_path / "one" / EVALUATION).write_text(json.dumps(evaluation))
    found = every_quantity(configurations([read_run(tmp_path / "one")]))
    of_interest = {name: cells for name, cells in found.items() if re.match("evid|aggr|mig", name)}
    assert of_interest == {
        "evidence mean": ["-98.50"],
        "evidence images": ["1000"],
        "evidence effective sample size": ["9.000"],
        "evidence importance samples": ["100"],
        "evidence prior sampling": ["-190.0"],
        "aggregate distance": ["0.012"],
        "mig": ["0.250"],
    }


def test_what_two_models_came_to_is_said_in_words(folder):
    tests = [json.loads((folder / run / EVALUATION).read_text())["test"] for run in ("loss-KL", "loss-dGJS")]
    rows = [(test["squared_error"], -test["elbo"] - test["reconstruction"], name) for test, name in zip(tests, NAMES)]
    (error, nats, better), (other_error, other_nats, other) = sorted(rows)
    said = re.search(r"<p>Here (.*)</p>", (folder / EXPLORE).read_text())[1]
    more = "more" if nats > other_nats else "less"
    assert said == (
        f"{better} reconstructs closer than {other}: a squared error of {error:.4g} against {other_error:.4g}. "
        f"Its z tells {more} of an image: {nats:.3g} nats against {other_nats:.3g}. "
        "That says nothing of its samples, and another seed may differ."
    )


def test_an_older_evaluation_without_elbo_says_nothing_of_nats(folder):
    runs = [read_run(folder / run) for run in ("loss-KL", "loss-dGJS")]
    del runs[1].evaluation["test"]["elbo"]
    groups = configurations(runs)
    kl, other = (summary_of(own, name, "red")["kl"] for own, name in zip(groups, NAMES))
    assert float(kl) > 0 and other == "–"
    assert two_in_words(groups, NAMES) == ""


def test_runs_from_several_places_are_compared_with_their_differences(folder, capsys):
    command_line.main(["both", "--compare", "pair", str(folder / "loss-KL"), "--results-dir", str(folder.parent)])
    assert "2 models to play with in" in capsys.readouterr().out
    text = (folder.parent / "both" / EXPLORE).read_text()
    assert re.findall(r'<th scope="col"><code>(.*?)</code>', text) == ["α --GJS-A", "λ --GJS-B", "--GJS-invA"]
    assert "<mark>–</mark>" in text and "<mark>0.5</mark>" in text


def test_images_of_ones_own_are_found_where_they_were_trained_on_or_below_the_data_directory(tmp_path, capsys):
    place = fill(tmp_path / "mine" / "pictures", ("train", 6), ("test", 3))
    where = ["--results-dir", str(tmp_path / "results"), "--no-cuda", "--no-progress-bar"]
    flags = ["-l", "KL", "-e", "1", "-b", "4", "--image-size", "16", "--explore"]
    command_line.main(["exp", "-d", f"folder:{place}", *flags, *where], draw=None)
    page = tmp_path / "results" / "exp" / EXPLORE
    content = json.loads(re.search(r'id="content">(.*?)</script>', page.read_text(), re.DOTALL)[1])
    assert content["count"] == 3 and content["models"][0]["shape"] == [16, 16, 1]
    page.unlink()
    command_line.main(["exp", "--explore", *where, "--data-dir", str(place.parent)])
    assert page.exists()
    page.unlink()
    fill(tmp_path / "other" / "pictures", ("train", 6), ("test", 4))
    for other, said in (("other", "the run began with other data"), ("none", "there is nothing at pictures")):
        with pytest.raises(SystemExit) as exit:
            command_line.main(["exp", "--explore", *where, "--data-dir", str(tmp_path / other)])
        assert exit.value.code == 2 and said in capsys.readouterr().err and not page.exists()


def test_a_model_on_other_images_is_in_the_table_and_not_to_play_with(folder, capsys):
    where, few = ["--results-dir", str(folder.parent)], {**FEW, "test_size": "9"}
    small = [word for name, value in few.items() for word in (f"--{name.replace('_', '-')}", value)]
    command_line.main(["fewer", *"-l KL -e 1 --no-cuda --no-progress-bar".split(), *small, *where], draw=None)
    command_line.main(["unequal", "--compare", "fewer", str(folder / "loss-KL"), *where])
    assert "1 model to play with" in capsys.readouterr().out
    text = (folder.parent / "unequal" / EXPLORE).read_text()
    assert text.count('<th scope="row" style="--model:') == 2
    assert "in both models at once" not in text


def test_models_on_other_data_of_one_name_have_no_page(folder, capsys):
    other = shutil.copytree(folder / "loss-KL", folder.parent / "elsewhere")
    data = json.loads((other / CONFIG).read_text())["data"]
    change(other, data={**data, "sha256": {**data["sha256"], "test": "0" * 64}})
    with pytest.raises(SystemExit) as exit:
        compared = ["--compare", "elsewhere", str(folder / "loss-KL")]
        command_line.main(["two", *compared, "--results-dir", str(folder.parent)])
    assert exit.value.code == 2
    assert "have other test images of digits" in capsys.readouterr().err
    assert not (folder.parent / "two").exists()
    shutil.rmtree(other)


def test_a_page_that_cannot_be_written_is_written_by_the_same_command(folder, capsys, monkeypatch):
    def full(*arguments, **options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SystemExit) as exit:
        command_line.main(["pair", "--explore", "--results-dir", str(folder.parent)])
    assert exit.value.code == 2
    assert capsys.readouterr().err.endswith("put that right, then the same command writes it\n")


def test_one_model_differs_from_no_other(folder):
    command_line.main(["one", "--compare", str(folder / "loss-KL"), "--results-dir", str(folder.parent)])
    text = (folder.parent / "one" / EXPLORE).read_text()
    assert "Settings: digits, trained with bernoulli" in text
    assert "in both models at once" not in text
    assert "in both models at once" in (folder / EXPLORE).read_text()
    assert "differ in the divergence" not in text and "The same for all" not in text and "closer than" not in text


def test_comparing_trains_nothing(folder, capsys):
    with pytest.raises(SystemExit) as exit:
        command_line.main(["both", "--compare", "pair", "-l", "KL", "--results-dir", str(folder.parent)])
    assert exit.value.code == 2
    assert "--compare looks at runs that have ended: leave out the flags" in capsys.readouterr().err


def test_seeds_of_a_configuration_are_one_row_with_an_interval(tmp_path):
    for seed, error in ((0, 1.0), (1, 3.0)):
        write_run(tmp_path / str(seed), RunConfig.from_flags(str(seed), {"dataset": "digits", "seed": seed}), error)
    (own,) = configurations([read_run(tmp_path / str(seed)) for seed in (0, 1)])
    assert [run.config.seed for run in own] == [0, 1]
    assert estimate_text(estimate(own, "squared_error")) == "2.00 ± 12.71"
    assert estimate_text(estimate(own[:1], "squared_error")) == "1.00"


def test_a_click_on_the_map_picks_the_image_there(folder):
    with opened(folder / EXPLORE) as browser:
        browser.execute_script(
            "const map = panels[1].map, box = map.getBoundingClientRect(), [x, y] = panels[1].place(panels[1].mean(4));"
            "const scale = box.width / map.width;"
            "map.dispatchEvent(new MouseEvent('click', {clientX: box.left + x * scale, clientY: box.top + y * scale}))"
        )
        assert "test image 5, class" in browser.find_element("id", "state").text


RECORDED = """
    const used = [], fill = CanvasRenderingContext2D.prototype.fill;
    CanvasRenderingContext2D.prototype.fill = function () { used.push(this.fillStyle); fill.call(this); };
    panels[0].drawMap();
    return used;
"""


@pytest.mark.parametrize(("labels", "legend"), [([3, -1, 12], ["3", "12"]), ([-1, -1, -1], [])])
def test_an_image_without_a_label_has_the_colour_of_the_model_and_no_class(labels, legend, folder, tmp_path):
    text = (folder / EXPLORE).read_text()
    content = json.loads(re.search(r'id="content">(.*?)</script>', text, re.DOTALL)[1])
    model, colors = content["models"][0]["color"], class_colors(max(labels) + 1)
    others = [-1] * (content["count"] - len(labels))
    page = tmp_path / EXPLORE
    text = re.sub(r'"labels": \[.*?\]', f'"labels": {labels + others}', text)
    page.write_text(re.sub(r'"colors": \[.*?\]', f'"colors": {json.dumps(colors)}', text))
    with opened(page) as browser:
        assert [entry.text for entry in browser.find_elements("css selector", "#legend span")] == legend
        assert bool(browser.find_element("id", "legend").text) == bool(legend)
        shown = [one.get_attribute("aria-label") for one in browser.find_elements("css selector", "#strip button")]
        used = browser.execute_script(RECORDED)
    for number, label in enumerate(labels):
        assert shown[number] == f"test image {number + 1}" + (f", class {label}" if label >= 0 else "")
        assert used[number] == (colors[label] if label >= 0 else model).lower()


def test_dimensions_are_sorted_by_their_kl_and_the_unused_are_folded_away(folder):
    text = (folder / EXPLORE).read_text()
    content = json.loads(re.search(r'id="content">(.*?)</script>', text, re.DOTALL)[1])
    for model in content["models"]:
        kl = [dimension["kl"] for dimension in model["dimensions"]]
        assert kl == sorted(kl, reverse=True)
    with opened(folder / EXPLORE) as browser:
        browser.execute_script("content.models[0].dimensions[2].used = false; panels[0].choose(0);")
        assert len(browser.find_elements("css selector", ".panel:first-child .used .slider")) <= 2
        assert "unused" in browser.find_element("css selector", ".panel:first-child summary").text


def test_the_page_fits_a_telephone(folder):
    with opened(folder / EXPLORE, width=390) as browser:
        assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
        table = browser.execute_script("return document.querySelector('.models').parentElement.scrollWidth")
        assert table <= 390  # every number of it is in sight
        assert "KL(q‖p)" in browser.execute_script(
            "return getComputedStyle(document.querySelector('[data-name^=KL]'), '::before').content"
        )


@pytest.mark.parametrize(
    ("formula", "shown"),
    [
        ("λ JS*^G_α(q‖p)", "λ JS*<sup>G</sup><sub>α</sub>(q‖p)"),
        ("Σ w^(1−α)", "Σ w<sup>(1−α)</sup>"),
        ("a < b", "a &lt; b"),
    ],
)
def test_formulas_are_set_as_in_the_papers(formula, shown):
    assert raised(formula) == shown


def test_a_decoder_with_another_layer_is_refused_in_one_line():
    model = build_model((1, 32, 32), latent_dim=2)
    model.decoder.layers.insert(1, nn.Tanh())
    with pytest.raises(ResultsError, match="a layer Tanh, which the page does not know: it knows linear layers"):
        describe(model)


class Whole(nn.Module):
    """Layers in a module of one's own."""

    def __init__(self, layers):
        super().__init__()
        self.inner = layers

    def forward(self, z):
        return self.inner(z)


def test_a_decoder_that_is_no_sequence_of_layers_is_refused_in_one_line():
    model = build_model((1, 32, 32), latent_dim=2)
    model.decoder.layers = Whole(model.decoder.layers)
    with pytest.raises(ResultsError, match="a layer Whole, which the page does not know"):
        describe(model)


def test_a_likelihood_with_another_mean_is_refused_in_one_line():
    class Clipped(Bernoulli):
        def mean(self, output):
            return output.clamp(0, 1)

    model = build_model((1, 32, 32), latent_dim=2)
    model.likelihood = Clipped()
    with pytest.raises(ResultsError, match="^--explore: the page does not know the mean of a likelihood Clipped$"):
        describe(model)


@pytest.mark.parametrize(("shape", "rec_dist"), [((2,), "normal"), ((2, 32, 32), "bernoulli")])
def test_what_is_no_image_in_grey_or_colour_is_refused_in_one_line(shape, rec_dist):
    said = "the page shows grey or colour images of at most 64x64: choose another run"
    with pytest.raises(ResultsError, match=f"data of shape {re.escape(str(shape))}: {said}$"):
        describe(build_model(shape, 1, rec_dist))


def test_a_run_that_the_page_will_not_know_is_refused_before_it_goes_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small = [word for name, value in FEW.items() for word in (f"--{name.replace('_', '-')}", value)]
    command_line.main(["exp", *small, "-l", "KL", "-e", "1", "--network", "resnet", "--no-progress-bar"], draw=None)
    check_refused("exp --resume -e 2 --explore", "main.py: --explore: the decoder has a layer ")


def test_an_experiment_without_a_run_that_has_ended_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit) as exit:
        command_line.main(["nothing", "--explore", "--results-dir", str(tmp_path)])
    assert exit.value.code == 2
    assert "nothing does not exist" in capsys.readouterr().err
