"""What the README says of the code is what the code says."""

import importlib
import re

import pytest
import torch

import main as command_line
from pages import README as PAGE
from pages import ROOT, blocks, own_divergence
from registries import set_free
from utils.flags import build_parser
from utils.grids.grid import configurations
from vae.losses import LOSSES, build_loss
from vae.models import build_model

README = PAGE.read_text(encoding="utf-8")


def test_it_is_read_in_five_minutes():
    assert len(README.splitlines()) <= 220


def test_the_example_of_a_divergence_of_ones_own_works(monkeypatch, tmp_path):
    (tmp_path / "fisher.py").write_text(own_divergence(), encoding="utf-8")
    set_free(monkeypatch, LOSSES, "Fisher")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("fisher")
    loss = build_loss("Fisher", dataset_size=8, latent_dim=3, fisher_B=2.0)
    terms = loss(build_model((1, 32, 32), latent_dim=3), torch.rand(8, 1, 32, 32))
    assert terms.total.item() == pytest.approx((terms.reconstruction + 2 * terms.divergence).item())


def test_the_example_of_loading_a_model_works(monkeypatch, tmp_path):
    (example,) = (block for block in blocks(PAGE, "python") if block.startswith("import vae\n"))
    monkeypatch.chdir(tmp_path)
    command_line.main("exp --train-size 8 --test-size 4 --epochs 1 --no-progress-bar".split(), draw=None)
    (tmp_path / "loading.py").write_text(example, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    loading = importlib.import_module("loading")
    assert loading.images.shape == loading.seen.shape == (16, 1, 64, 64)
    assert loading.config.loss == "GJS"
    assert loading.mean.shape == loading.logvar.shape == (16, 10)


def test_the_flags_of_quickstart_are_right():
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
    flags = re.search(r"main.py (\$\$name .*?) \$\$data", recipe)[1]
    for data in re.findall(r'data="(.*?)"', recipe):
        parsed = vars(build_parser().parse_args(f"{flags} {data}".split()))
        settings = {name: parsed[name] for name in parsed.keys() - {"experiment", "jobs", "report", "explore"}}
        assert [config.loss for config in configurations(settings)] == ["KL", "dGJS"]
