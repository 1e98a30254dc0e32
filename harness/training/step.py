"""One optimisation step of pix2pix: the discriminator, then the generator.

What differs between trials of one structure (the lambdas, the learning rate, the weights) lies in
tensors on the device, and a step reads nothing back from it: so a captured step serves them all.
"""

from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.config.settings import Precision, TrainSettings
from harness.errors import DivergedError
from harness.training.adam import Adam
from harness.training.checkpoints import NetWeights
from harness.training.fast_convolutions import by_channel
from harness.training.losses import as_losses_are, gan_loss
from harness.training.networks import ResnetGenerator
from harness.training.perceptual import Features, PerceptualLoss
from search_spaces.params import GanMode, TrialParams

LOSS_NAMES = ("G_GAN", "G_L1", "G_Perceptual", "D_real", "D_fake")


@dataclass
class Pix2Pix:
    """The networks and optimisers of one training; `step` moves them on by one batch.

    Attributes:
        perceptual: the VGG term; None where `lambda_perceptual` is 0.
        failed: 1 from the first loss on that was not finite; from then on nothing is updated.
        told: the losses of that step, else of the last one; `names` has their order.
    """

    generator: nn.Module
    discriminator: nn.Module
    gan_mode: GanMode
    precision: Precision
    optimizer_G: Adam
    optimizer_D: Adam
    perceptual: PerceptualLoss | None
    lambda_L1: Tensor
    lambda_perceptual: Tensor
    failed: Tensor
    names: tuple[str, ...]
    told: Tensor

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
        device = next(generator.parameters()).device
        # Dropout draws its mask in the order of the memory, and that of the residual generators is
        # to be the reference's.
        if not isinstance(generator, ResnetGenerator):
            by_channel(generator)
        failed = torch.zeros((), device=device)
        names = tuple(
            name for name in LOSS_NAMES if name != "G_Perceptual" or params.lambda_perceptual > 0
        )
        return cls(
            generator,
            by_channel(discriminator),
            params.gan_mode,
            settings.precision,
            Adam(generator, params.lr, settings, failed),
            Adam(discriminator, params.lr, settings, failed),
            perceptual if params.lambda_perceptual > 0 else None,
            torch.tensor(params.lambda_L1, dtype=torch.float32, device=device),
            torch.tensor(params.lambda_perceptual, dtype=torch.float32, device=device),
            failed,
            names,
            torch.zeros(len(names), device=device),
        )

    def restart(
        self, generator: NetWeights, discriminator: NetWeights, params: TrialParams
    ) -> None:
        """Become, in place, the model that `start` would give for these weights and settings.

        `params` must be of the same structure: its n_layers_D, its gan_mode, whether it has a
        perceptual term.
        """
        self.generator.load_state_dict(generator)
        self.discriminator.load_state_dict(discriminator)
        self.lambda_L1.fill_(params.lambda_L1)
        self.lambda_perceptual.fill_(params.lambda_perceptual)
        self.failed.zero_()
        self.optimizer_D.freeze(False)  # a step that raised may have left it frozen
        for optimizer in (self.optimizer_G, self.optimizer_D):
            for group in optimizer.param_groups:
                group["lr"].fill_(params.lr)
            for state in optimizer.state.values():
                for value in state.values():
                    value.zero_()

    def step(
        self, retouched: Tensor, original: Tensor, wanted: Features | None = None
    ) -> dict[str, Tensor]:
        """One step on a batch of `[n, 3, h, w]` in [-1, 1]; returns each loss, detached.

        As in pix2pix's own log, `G_L1` and `G_Perceptual` carry their lambda.

        Args:
            wanted: the perceptual term's deep features of `original`, where they are known.

        Raises:
            DivergedError: a loss is not finite; that network has not been updated.
        """
        losses = self.optimize(retouched, original, wanted)
        self.check()
        return losses

    def check(self) -> None:
        """Read back from the device whether a loss was not finite.

        Raises:
            DivergedError: one was; the losses of that step are named.
        """
        if self.failed:
            losses = zip(self.names, self.told.tolist(), strict=True)
            told = ", ".join(f"{name} {loss:.4g}" for name, loss in losses)
            raise DivergedError(f"a loss is no longer finite ({told})")

    def optimize(
        self, retouched: Tensor, original: Tensor, wanted: Features | None = None
    ) -> dict[str, Tensor]:
        """What `step` does, without asking the device how it went."""
        failed_before = self.failed.clone()
        device = self.failed.device
        with mixed(device, self.precision):
            restored = self.generator(retouched)
        restored = as_losses_are(restored)

        with mixed(device, self.precision):
            real, fake = discriminator_losses(
                self.discriminator, self.gan_mode, retouched, original, restored.detach()
            )
        self.optimizer_D.descend((real + fake) * 0.5)

        self.optimizer_D.freeze(True)
        with mixed(device, self.precision):
            logits = self.discriminator(torch.cat([retouched, restored], 1))
            losses = {
                "G_GAN": gan_loss(self.gan_mode, as_losses_are(logits), real=True),
                "G_L1": F.l1_loss(restored, original) * self.lambda_L1,
            }
            if self.perceptual is not None:
                term = self.perceptual(restored, original, wanted)
                losses["G_Perceptual"] = term * self.lambda_perceptual
        self.optimizer_G.descend(torch.stack(list(losses.values())).sum())
        self.optimizer_D.freeze(False)

        found = torch.stack([*losses.values(), real, fake]).detach()
        self.told.copy_(torch.where(failed_before > 0, self.told, found))
        return dict(zip(self.names, found.unbind(), strict=True))


def mixed(device: torch.device, precision: Precision) -> AbstractContextManager[None]:
    """Where the convolutions run in the settings' precision; weights stay float32.

    Entered anew for each network's turn: it keeps cast weights, and an update outdates them.
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


def discriminator_losses(
    discriminator: nn.Module,
    gan_mode: GanMode,
    retouched: Tensor,
    original: Tensor,
    restored: Tensor,
) -> tuple[Tensor, Tensor]:
    """The discriminator's loss on the true pair and on the restored one."""
    fake = as_losses_are(discriminator(torch.cat([retouched, restored], 1)))
    real = as_losses_are(discriminator(torch.cat([retouched, original], 1)))
    return gan_loss(gan_mode, real, real=True), gan_loss(gan_mode, fake, real=False)
