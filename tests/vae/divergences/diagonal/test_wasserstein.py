"""The Wasserstein distance, beyond what `test_diagonal` says of all."""

import pytest
import torch

from vae.divergences import squared_wasserstein_distance


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradient_keeps_its_digits_for_small_variances(dtype):
    """d/dlogvar (s - 1)^2 = s (s - 1)."""
    logvar = torch.linspace(-60, 5, 131, dtype=dtype).unsqueeze(-1).requires_grad_()
    squared_wasserstein_distance(torch.zeros_like(logvar), logvar).sum().backward()
    std = torch.exp(logvar.detach().double() / 2)
    rtol = 1e-5 if dtype == torch.float32 else 1e-14
    torch.testing.assert_close(logvar.grad.double(), std * torch.expm1(logvar.detach().double() / 2), rtol=rtol, atol=0)


def test_second_derivatives():
    mean, logvar = torch.tensor([[0.3], [1.0]]).double(), torch.tensor([[-5.0], [0.2]]).double()
    arguments = [x.requires_grad_() for x in (mean, logvar)]
    assert torch.autograd.gradgradcheck(squared_wasserstein_distance, arguments)
