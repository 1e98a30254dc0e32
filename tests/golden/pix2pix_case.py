"""The weights and batches of the parity golden, made the same on both sides."""

import torch
from torch import Tensor, nn

from harness.config.profiles import QUICK
from harness.config.settings import TrainSettings
from harness.training.networks import build_discriminator, build_generator

SETTINGS = QUICK.model_copy(update={"ngf": 4, "ndf": 4})
CASES = [(mode, n) for mode in ("vanilla", "lsgan", "wgangp") for n in (2, 3, 4, 5)]


LR = 2e-4
# At a twentieth of that rounding errors hardly grow over ten steps: there float32 is compared.
SLOW_LR = 1e-5
# Other networks than the profiles', each trained with lsgan and three layers, at the guide's rate:
# at twice that, ten steps on noise blow rounding errors up beyond the tolerance.
NETWORKS_LR = 1e-4
NETWORKS: dict[str, dict[str, str | bool]] = {
    "resnet_6blocks": {"netG": "resnet_6blocks"},
    "resnet_9blocks-plain": {"netG": "resnet_9blocks", "dropout": False},
    "unet_128-instance": {"norm": "instance"},
    "unet_128-none": {"norm": "none", "dropout": False},
    "pixel": {"netD": "pixel"},
    "pixel-instance": {"netD": "pixel", "norm": "instance"},
}
# Generators that restore a picture: a name, and what is not as in the settings above.
RESTORERS: dict[str, dict[str, str]] = {
    "unet_128-batch": {},
    "unet_128-none": {"norm": "none"},
    "resnet_6blocks-batch": {"netG": "resnet_6blocks"},
    "resnet_9blocks-instance": {"netG": "resnet_9blocks", "norm": "instance"},
}
# Whose keys and shapes are compared.
GENERATORS = [
    {"netG": netG, "norm": norm, "dropout": dropout}
    for netG in ("unet_128", "unet_256", "resnet_6blocks", "resnet_9blocks")
    for norm in ("batch", "instance", "none")
    for dropout in (True, False)
]
DISCRIMINATORS = [
    {"netD": netD, "norm": norm, "n_layers_D": n_layers}
    for netD, depths in (("basic", (3,)), ("n_layers", (2, 3, 4, 5)), ("pixel", (3,)))
    for norm in ("batch", "instance", "none")
    for n_layers in depths
]
# Epochs at the full rate, epochs of decay, epochs between steps.
COURSE = (3, 4, 2)
# A loss that stops falling, for plateau.
PLATEAU_LOSSES = [1.0, 0.5, *[0.499] * 14]


def network_settings(name: str) -> TrainSettings:
    return SETTINGS.model_copy(update=NETWORKS[name])


EVERY = [
    *((f"{mode}-{n}", SETTINGS, mode, n) for mode, n in CASES),
    *((name, network_settings(name), "lsgan", 3) for name in NETWORKS),
]
"""Every case: its name, settings, gan_mode, n_layers_D."""


def restorer(name: str) -> TrainSettings:
    return SETTINGS.model_copy(update={**RESTORERS[name], "dropout": False})


def case_weights(
    settings: TrainSettings, n_layers: int
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    generator = build_generator(settings, seed=1)
    return generator.state_dict(), build_discriminator(settings, n_layers, seed=2).state_dict()


def named(parts: dict[str, str | bool | int]) -> str:
    return " ".join(f"{key}={value}" for key, value in parts.items())


def batch(step: int) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(step)
    retouched, original = (torch.rand(1, 3, 128, 128, generator=random) * 2 - 1 for _ in range(2))
    return retouched, original


def fingerprint(net: nn.Module) -> list[float]:
    """The norm of all weights, and their product with a fixed random direction.

    Biases before an instance normalisation change nothing, and Adam moves them by the signs of
    rounding errors: in such networks biases are left out.
    """
    free = any(isinstance(module, nn.InstanceNorm2d) for module in net.modules())
    kept = [value for name, value in net.named_parameters() if not (free and name.endswith("bias"))]
    weights = torch.cat([value.detach().double().flatten() for value in kept])
    direction = torch.randn(len(weights), generator=torch.Generator().manual_seed(0)).double()
    return [float(weights.norm()), float(weights @ direction)]
