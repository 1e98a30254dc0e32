"""The weights and batches of the parity golden, made the same on both sides."""

import torch
from torch import Tensor, nn

from harness.profiles import QUICK
from harness.training.networks import build_discriminator, build_generator

SETTINGS = QUICK.model_copy(update={"ngf": 4, "ndf": 4})
CASES = [(mode, n) for mode in ("vanilla", "lsgan", "wgangp") for n in (2, 3, 4, 5)]


def case_weights(n_layers: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    generator = build_generator(SETTINGS, seed=1)
    return generator.state_dict(), build_discriminator(SETTINGS, n_layers, seed=2).state_dict()


def batch(step: int) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(step)
    retouched, original = (torch.rand(1, 3, 128, 128, generator=random) * 2 - 1 for _ in range(2))
    return retouched, original


def fingerprint(net: nn.Module) -> list[float]:
    """The norm of all weights, and their product with a fixed random direction."""
    weights = torch.cat([value.detach().double().flatten() for value in net.parameters()])
    direction = torch.randn(len(weights), generator=torch.Generator().manual_seed(0)).double()
    return [float(weights.norm()), float(weights @ direction)]
