"""The remedies that `benchmarks.remedies` compares: overrides of the training step and networks."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from harness.config.profiles import QUICK
from harness.training import networks
from harness.training.fast_convolutions import ConvTranspose2d
from harness.training.losses import gan_loss
from harness.training.networks import UnetGenerator, WarpUnet, bare_generator
from harness.training.perceptual import Features
from harness.training.step import Pix2Pix, discriminator_losses
from harness.training.warping import move
from search_spaces.generators import WARP, of_kind

REPAINTING, MOVING = QUICK.netG, of_kind(QUICK.netG, WARP)
# How the remedies are dosed.
REGION_TIMES = 10.0
LAMBDA_MATCHING = 10.0
LAMBDA_FLOW = 100.0
LAMBDA_SMOOTH = 100.0
D_SLOWER = 0.25


class Prototype(Pix2Pix):
    """pix2pix's step with places for the remedies.

    `beside` belongs to the batch, set before its step: the region, and the displacement that undoes
    the retouching, in shares of the side, `[n, 3, h, w]`.
    """

    beside: Tensor
    uses_beside = False

    def prepare(self) -> None:
        """Called once, before the first step."""

    def restore(self, retouched: Tensor) -> Tensor:
        restored: Tensor = self.generator(retouched)
        return restored

    def distance(self, restored: Tensor, original: Tensor) -> Tensor:
        return F.l1_loss(restored, original)

    def further(self, retouched: Tensor, restored: Tensor, original: Tensor) -> Tensor:
        """What the generator's loss has besides pix2pix's own."""
        return torch.zeros(())

    def optimize(
        self, retouched: Tensor, original: Tensor, original_features: Features | None = None
    ) -> dict[str, Tensor]:
        restored = self.restore(retouched)
        real, fake = discriminator_losses(
            self.discriminator, self.gan_mode, retouched, original, restored.detach()
        )
        self.optimizer_D.descend((real + fake) * 0.5)
        self.optimizer_D.freeze(True)
        logits = self.discriminator(torch.cat([retouched, restored], 1))
        assert self.perceptual is not None
        losses = {
            "G_GAN": gan_loss(self.gan_mode, logits, real=True),
            "G_L1": self.distance(restored, original) * self.lambda_L1,
            "G_Perceptual": self.perceptual(restored, original, original_features)
            * self.lambda_perceptual,
        }
        further = self.further(retouched, restored, original)
        self.optimizer_G.descend(torch.stack(list(losses.values())).sum() + further)
        self.optimizer_D.freeze(False)
        found = torch.stack([*losses.values(), real, fake]).detach()
        self.sums += found
        return dict(zip(self.names, found.unbind(), strict=True))


class RegionFirst(Prototype):
    """L1 counts more in the warped region; its mean weight stays 1."""

    uses_beside = True

    def distance(self, restored: Tensor, original: Tensor) -> Tensor:
        weight = 1 + (REGION_TIMES - 1) * self.beside[:, :1]
        return ((restored - original).abs() * weight).mean() / weight.mean()


class FeatureMatching(Prototype):
    """The discriminator's activations of restored and original are to agree (Wang et al. 2018)."""

    def further(self, retouched: Tensor, restored: Tensor, original: Tensor) -> Tensor:
        pairs = [torch.cat([retouched, picture], 1) for picture in (restored, original)]
        terms = []
        for layer in list(self.discriminator.get_submodule("model").children())[:-1]:
            pairs = [layer(each) for each in pairs]
            if isinstance(layer, nn.LeakyReLU):
                terms.append(F.l1_loss(pairs[0], pairs[1].detach()))
        return LAMBDA_MATCHING * torch.stack(terms).mean()


class SlowDiscriminator(Prototype):
    """Two learning rates: the discriminator's is a quarter of the generator's."""

    def prepare(self) -> None:
        for group in self.optimizer_D.param_groups:
            group["lr"].mul_(D_SLOWER)


class FlowSupervision(Prototype):
    """The displacement is to be smooth, and the one that undoes the warp (Wang et al. 2019)."""

    uses_beside = True

    def restore(self, retouched: Tensor) -> Tensor:
        assert isinstance(self.generator, WarpUnet)
        self.field, painted = self.generator.predict(retouched)
        return (move(retouched, self.field) + painted).clamp(-1, 1)

    def further(self, retouched: Tensor, restored: Tensor, original: Tensor) -> Tensor:
        field = self.field / restored.shape[-1]
        error = (field - self.beside[:, 1:]).square().sum(1).add(1e-8).sqrt().mean()
        steps = field.diff(dim=2).abs().mean() + field.diff(dim=3).abs().mean()
        return LAMBDA_FLOW * error + LAMBDA_SMOOTH * steps


def with_spectral_norm(discriminator: nn.Module) -> nn.Module:
    for module in discriminator.modules():
        if isinstance(module, nn.Conv2d):
            spectral_norm(module)
    return discriminator


class ResizeUnet(UnetGenerator):
    """Levels below the outermost enlarge by nearest pixels and a convolution (Odena et al. 2016).

    The outermost keeps its transposed convolution: it is what begins as a copy of the picture.
    """

    def __init__(self, downs: int, ngf: int, norm: str, dropout: bool) -> None:
        super().__init__(downs, ngf, norm, dropout)
        for module in list(self.modules()):
            for name, up in list(module.named_children()):
                if isinstance(up, ConvTranspose2d):
                    convolution = nn.Conv2d(
                        up.in_channels, up.out_channels, 3, 1, 1, bias=up.bias is not None
                    )
                    setattr(module, name, nn.Sequential(nn.Upsample(scale_factor=2), convolution))


class MovesOnly(WarpUnet):
    """A moving generator that corrects no colours."""

    def predict(self, x: Tensor) -> tuple[Tensor, Tensor]:
        field, painted = super().predict(x)
        return field, painted * 0


def unchanged(discriminator: nn.Module) -> nn.Module:
    return discriminator


@dataclass(frozen=True)
class Remedy:
    """A way of training.

    Attributes:
        network: of the generator; None for the profile's.
        own_warm_start: whether its weights are not those of the profile's network.
        discriminator: what is done to the warm discriminator.
    """

    netG: str = REPAINTING
    step: type[Prototype] = Prototype
    network: type[UnetGenerator | WarpUnet] | None = None
    own_warm_start: bool = False
    discriminator: Callable[[nn.Module], nn.Module] = unchanged

    @property
    def warm_start_name(self) -> str:
        return self.network.__name__ if self.network and self.own_warm_start else self.netG


BASELINE = "repainting, as the guide recommends"
PLAIN_MOVING = "moving pixels"
REMEDIES = {
    BASELINE: Remedy(),
    PLAIN_MOVING: Remedy(MOVING),
    "L1 ten times in the region": Remedy(step=RegionFirst),
    "feature matching": Remedy(step=FeatureMatching),
    "a discriminator of a quarter of the rate": Remedy(step=SlowDiscriminator),
    "spectral normalisation": Remedy(discriminator=with_spectral_norm),
    "moving, flow supervised": Remedy(MOVING, FlowSupervision),
    "moving, without the correction of colours": Remedy(MOVING, network=MovesOnly),
    "resize-convolutions": Remedy(network=ResizeUnet, own_warm_start=True),
}


@contextmanager
def built_as(network: type[UnetGenerator | WarpUnet] | None) -> Iterator[None]:
    """The profile's U-Nets are of this class meanwhile."""

    def bare(netG: str, ngf: int, norm: str, dropout: bool) -> nn.Module:
        if network is None:
            return bare_generator(netG, ngf, norm, dropout)
        return network(networks.UNET_DOWNS[REPAINTING], ngf, norm, dropout)

    with patch.object(networks, "bare_generator", bare):
        yield
