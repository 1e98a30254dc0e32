"""One optimisation step of pix2pix: the discriminator, then the generator."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.config import TrainSettings
from harness.errors import DivergedError
from harness.training.losses import gan_loss
from harness.training.perceptual import PerceptualLoss
from search_spaces.params import TrialParams

LOSS_NAMES = ("G_GAN", "G_L1", "G_Perceptual", "D_real", "D_fake")


@dataclass
class Pix2Pix:
    """The networks and optimisers of one training; `step` moves them on by one batch.

    Attributes:
        perceptual: the VGG term; only called where `params.lambda_perceptual` > 0.
    """

    generator: nn.Module
    discriminator: nn.Module
    params: TrialParams
    optimizer_G: torch.optim.Optimizer
    optimizer_D: torch.optim.Optimizer
    perceptual: PerceptualLoss | None

    @classmethod
    def start(
        cls,
        generator: nn.Module,
        discriminator: nn.Module,
        params: TrialParams,
        settings: TrainSettings,
        perceptual: PerceptualLoss | None,
    ) -> "Pix2Pix":
        """Give both networks an optimiser each."""
        return cls(
            generator,
            discriminator,
            params,
            adam(generator, params.lr, settings),
            adam(discriminator, params.lr, settings),
            perceptual if params.lambda_perceptual > 0 else None,
        )

    def step(self, retouched: Tensor, original: Tensor) -> dict[str, Tensor]:
        """One step on a batch of `[n, 3, h, w]` in [-1, 1]; returns each loss, detached.

        As in pix2pix's own log, `G_L1` and `G_Perceptual` carry their lambda.

        Raises:
            DivergedError: a loss is not finite; that network has not been updated.
        """
        restored = self.generator(retouched)

        real, fake = discriminator_losses(
            self.discriminator, self.params, retouched, original, restored.detach()
        )
        update(self.optimizer_D, (real + fake) * 0.5, {"D_real": real, "D_fake": fake})

        self.discriminator.requires_grad_(False)
        logits = self.discriminator(torch.cat([retouched, restored], 1))
        losses = {
            "G_GAN": gan_loss(self.params.gan_mode, logits, real=True),
            "G_L1": F.l1_loss(restored, original) * self.params.lambda_L1,
        }
        if self.perceptual is not None:
            term = self.perceptual(restored, original)
            losses["G_Perceptual"] = term * self.params.lambda_perceptual
        update(self.optimizer_G, torch.stack(list(losses.values())).sum(), losses)
        self.discriminator.requires_grad_(True)

        losses |= {"D_real": real, "D_fake": fake}
        return {name: loss.detach() for name, loss in losses.items()}


def adam(net: nn.Module, lr: float, settings: TrainSettings) -> torch.optim.Optimizer:
    """pix2pix's optimiser: Adam with betas (beta1, 0.999)."""
    return torch.optim.Adam(net.parameters(), lr, betas=(settings.beta1, 0.999), fused=True)


def discriminator_losses(
    discriminator: nn.Module,
    params: TrialParams,
    retouched: Tensor,
    original: Tensor,
    restored: Tensor,
) -> tuple[Tensor, Tensor]:
    """The discriminator's loss on the true pair and on the restored one."""
    fake = discriminator(torch.cat([retouched, restored], 1))
    real = discriminator(torch.cat([retouched, original], 1))
    return gan_loss(params.gan_mode, real, real=True), gan_loss(params.gan_mode, fake, real=False)


def update(optimizer: torch.optim.Optimizer, loss: Tensor, parts: dict[str, Tensor]) -> None:
    """One optimiser step down `loss`; refused where `loss` is not finite, naming its `parts`."""
    if not torch.isfinite(loss):
        told = ", ".join(f"{name} {part.item():.4g}" for name, part in parts.items())
        raise DivergedError(f"a loss is no longer finite ({told})")
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
