"""A network of someone's own: the file that docs/networks.md shows, and nothing else touched."""

import importlib
import json
import re

import pytest
import torch

import main as command_line
import vae
from pages import ROOT, blocks, text_of
from registries import set_free
from utils.flags import build_parser
from vae.models.networks import NETWORKS

PAGE = text_of(ROOT / "docs" / "networks.md")
(EXAMPLE,) = blocks(ROOT / "docs" / "networks.md", "python")
SMALL = "-d digits --train-size 12 --test-size 6 -b 5 -z 3 --no-cuda --no-progress-bar".split()


@pytest.fixture(autouse=True)
def pooled(monkeypatch, tmp_path):
    """The page's file, as if it lay in vae/models/networks/."""
    (tmp_path / "pooled_of_the_page.py").write_text(EXAMPLE, encoding="utf-8")
    set_free(monkeypatch, NETWORKS, "pooled")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(importlib.sys.modules, "pooled_of_the_page", raising=False)
    importlib.import_module("pooled_of_the_page")


def test_it_is_a_file_of_thirty_lines():
    assert len([line for line in EXAMPLE.splitlines() if line.strip()]) <= 30


def test_it_has_its_flags_and_its_help(capsys):
    with pytest.raises(SystemExit):
        build_parser().parse_args(["--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "pooled one convolution, averaged over the image" in shown
    assert "options of --network pooled: --features N features of an image (1 or more; default: 64)" in shown


@pytest.mark.slow
def test_it_is_trained_goes_on_and_is_loaded_by_its_name(tmp_path):
    command = ["exp", "--results-dir", str(tmp_path), "--network", "pooled", "--features", "7", *SMALL]
    command_line.main([*command, "-e", "2"], draw=None)
    command_line.main([*command, "--resume", "-e", "3"], draw=None)
    saved = json.loads((tmp_path / "exp" / "config.json").read_text())
    assert (saved["network"], saved["network_options"], saved["ended_after"]) == ("pooled", {"features": 7}, 3)
    model, _, _ = vae.load(tmp_path / "exp")
    assert model.encoder.layers[0].out_channels == 7
    assert model.reconstruct(torch.rand(2, 1, 32, 32)).shape == (2, 1, 32, 32)


def test_the_table_of_the_page_is_the_registrys():
    for name in set(NETWORKS) - {"pooled"}:
        options = ", ".join(f"`{option.flag}` {option.default}" for option in NETWORKS[name].options)
        assert re.search(rf"^\| `{name}` \| [^|]+ \| {re.escape(options)} ?\|$", PAGE, re.MULTILINE), name
