"""The decoder as ONNX, run by onnxruntime."""

import importlib.util

import numpy as np
import pytest
import torch

import vae
from small_runs import config
from utils.exports.export import export
from utils.runs.run import run

MISSING = [name for name in ("onnx", "onnxruntime", "onnxscript") if importlib.util.find_spec(name) is None]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason="ONNX is not installed: pip install -r requirements-onnx.txt"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of onnxscript's and PyTorch's own code
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

DECODERS = [
    {"dataset": "digits", "network": "burgess"},
    {"dataset": "digits", "network": "resnet", "width": 4, "rec_dist": "gaussian-sigma"},
    {"dataset": "digits", "network": "mlp", "rec_dist": "continuous-bernoulli"},
    {"dataset": "digits", "loss": "InfoCatVAE", "latent_dim": None, "network": None},
    {"dataset": "mixture2d"},
]


@pytest.mark.parametrize("flags", DECODERS, ids=lambda flags: "-".join(map(str, flags.values())))
def test_a_decoder_gives_what_the_model_does_for_any_number_of_latents(flags, runtime):
    import onnxruntime

    run(config(**flags, epochs=1), runtime)
    export("exp", "onnx", {}, runtime)
    model, _, saved = vae.load(runtime.results_dir / "exp")
    file = runtime.results_dir / "exp" / "export-decoder.onnx"
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    for count in (1, 2, 7):
        z = torch.randn(count, saved.latent_dim)
        (found,) = session.run(["mean"], {"z": z.numpy()})
        with torch.no_grad():
            np.testing.assert_allclose(found, model.decode(z), rtol=1e-4, atol=1e-5)
