"""What the README says of the code is what the code says."""

import importlib
import re
from pathlib import Path

import pytest
import torch

from vae.losses import LOSSES, base, build_loss
from vae.models import build_model

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def losses_table() -> str:
    """The README's table of objectives, from the registry."""
    rows = ["| `--loss` | divergence with its weight | what it is | options |", "|---|---|---|---|"]
    for name, loss in LOSSES.items():
        options = ", ".join(f"`{option.flag}` {option.default}" for option in loss.options)
        rows.append(f"| `{name}` | {loss.formula} | {loss.summary} | {options} |")
    return "\n".join(rows)


def test_the_table_of_objectives_is_the_registrys():
    assert losses_table() in README, f"README.md should hold this table:\n{losses_table()}"


def test_the_example_of_a_divergence_of_ones_own_works(monkeypatch, tmp_path):
    example = re.search(r"```python\n# vae/losses/wasserstein.py\n(.*?)```", README, re.DOTALL)[1]
    (tmp_path / "wasserstein.py").write_text(example, encoding="utf-8")
    monkeypatch.setattr(base, "LOSSES", LOSSES.copy())
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("wasserstein")
    loss = build_loss("W2", dataset_size=8, latent_dim=3, W2_B=2.0)
    terms = loss(build_model((1, 32, 32), latent_dim=3), torch.rand(8, 1, 32, 32))
    assert terms.total.item() == pytest.approx((terms.reconstruction + 2 * terms.divergence).item())
