"""The decoder of a model as ONNX, which runs without PyTorch. Needs the packages of requirements-onnx.txt."""

import importlib.util
from typing import BinaryIO

import torch
from torch import Tensor, nn

from utils.machine.environment import MachineError
from vae.models import VAE

PACKAGES = ("onnx", "onnxscript")


class MeanImage(nn.Module):
    """E[x|z] of latents (N, latent_dim), as `VAE.decode` gives it: what is written."""

    def __init__(self, model: VAE):
        super().__init__()
        self.decoder, self.likelihood = model.decoder, model.likelihood

    def forward(self, z: Tensor) -> Tensor:
        return self.likelihood.mean(self.decoder(z))


def check_onnx() -> None:
    """Raise MachineError unless the packages are installed."""
    if missing := [name for name in PACKAGES if importlib.util.find_spec(name) is None]:
        raise MachineError(f"--export onnx: {missing[0]} is not installed: pip install -r requirements-onnx.txt")


def write_onnx(file: BinaryIO, model: VAE, latent_dim: int) -> str:
    """Write what takes `z`, float32 (N, latent_dim), to `mean`, E[x|z] (N, C, H, W) or (N, D); in words what it is."""
    decoder, z = MeanImage(model).cpu().eval(), torch.zeros(2, latent_dim)
    axes = {"z": {0: torch.export.Dim("N")}}
    names = {"input_names": ["z"], "output_names": ["mean"]}
    program = torch.onnx.export(decoder, (z,), dynamo=True, dynamic_shapes=axes, verbose=False, **names)
    file.write(program.model_proto.SerializeToString())
    with torch.no_grad():
        shape = decoder(z).shape[1:]
    return f"z float32 (N, {latent_dim}) to mean float32 (N, {', '.join(map(str, shape))})"
