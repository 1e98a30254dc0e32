"""pix2pix's networks, which the harness's own equal name for name and step for step."""

from typing import Any

import torch
from torch import Tensor, nn

from harness.training.losses import gan_loss
from harness.training.networks import UNET_DOWNS, PatchDiscriminator, init_weights, unet


class UnetGenerator(nn.Module):
    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.model = net

    def forward(self, x: Tensor) -> Any:
        return self.model(x)


def define_G(  # noqa: N802
    input_nc: int,
    output_nc: int,
    ngf: int,
    netG: str,
    norm: str = "batch",
    use_dropout: bool = False,
    init_type: str = "normal",
    init_gain: float = 0.02,
) -> nn.Module:
    net = UnetGenerator(unet(UNET_DOWNS[netG], ngf, norm, use_dropout, output_nc))
    return init_net(net, init_type, init_gain)


def define_D(ndf: int, n_layers: int, norm: str) -> nn.Module:  # noqa: N802
    return PatchDiscriminator(n_layers, ndf, norm)


def init_net(
    net: nn.Module, init_type: Any = "normal", init_gain: float = 0.02, gpu_ids: Any = ()
) -> nn.Module:
    init_weights(net, torch.initial_seed(), init_type, init_gain)
    return OnSeveralGpus(net) if gpu_ids else net


class OnSeveralGpus(nn.Module):
    """As DataParallel wraps a network."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.module = net

    def forward(self, x: Tensor) -> Any:
        return self.module(x)


class GANLoss:
    def __init__(self, gan_mode: Any) -> None:
        self.gan_mode = gan_mode

    def __call__(self, logits: Tensor, real: bool) -> Tensor:
        return gan_loss(self.gan_mode, logits, real)
