"""One optimisation step of pix2pix: the discriminator, then the generator.

What differs between trials of one structure (the lambdas, the learning rate, the weights) lies in
tensors on the device, and a step reads nothing back from it: so a captured step serves them all.
"""

from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.config import Precision, TrainSettings
from harness.errors import DivergedError
from harness.training.checkpoints import NetWeights
from harness.training.few_pixels import by_channel
from harness.training.losses import gan_loss
from harness.training.networks import UnetGenerator
from harness.training.perceptual import PerceptualLoss
from search_spaces.params import GanMode, TrialParams

LOSS_NAMES = ("G_GAN", "G_L1", "G_Perceptual", "D_real", "D_fake")


@dataclass
class Pix2Pix:
    """The networks and optimisers of one training; `step` moves them on by one batch.

    Attributes:
        perceptual: the VGG term; None where `lambda_perceptual` is 0.
        failed: 1 from the first loss on that was not finite; from then on nothing is updated.
        told: each loss of that step, else of the last one.
    """

    generator: nn.Module
    discriminator: nn.Module
    gan_mode: GanMode
    precision: Precision
    optimizer_G: torch.optim.Optimizer
    optimizer_D: torch.optim.Optimizer
    perceptual: PerceptualLoss | None
    lambda_L1: Tensor
    lambda_perceptual: Tensor
    failed: Tensor
    told: dict[str, Tensor]

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
        # Not the residual generators: dropout draws its mask in the order of the memory, and theirs
        # is to be the reference's.
        if isinstance(generator, UnetGenerator):
            by_channel(generator)
        model = cls(
            generator,
            by_channel(discriminator),
            params.gan_mode,
            settings.precision,
            adam(generator, params.lr, settings),
            adam(discriminator, params.lr, settings),
            perceptual if params.lambda_perceptual > 0 else None,
            torch.tensor(params.lambda_L1, dtype=torch.float32, device=device),
            torch.tensor(params.lambda_perceptual, dtype=torch.float32, device=device),
            torch.zeros((), device=device),
            {
                name: torch.zeros((), device=device)
                for name in LOSS_NAMES
                if name != "G_Perceptual" or params.lambda_perceptual > 0
            },
        )
        for optimizer in (model.optimizer_G, model.optimizer_D):
            optimizer.found_inf = model.failed  # type: ignore[attr-defined]
        return model

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
        for optimizer in (self.optimizer_G, self.optimizer_D):
            for group in optimizer.param_groups:
                group["lr"].fill_(params.lr)
            for state in optimizer.state.values():
                for value in state.values():
                    value.zero_()

    def step(self, retouched: Tensor, original: Tensor) -> dict[str, Tensor]:
        """One step on a batch of `[n, 3, h, w]` in [-1, 1]; returns each loss, detached.

        As in pix2pix's own log, `G_L1` and `G_Perceptual` carry their lambda.

        Raises:
            DivergedError: a loss is not finite; that network has not been updated.
        """
        losses = self.optimize(retouched, original)
        self.check()
        return losses

    def check(self) -> None:
        """Read back from the device whether a loss was not finite.

        Raises:
            DivergedError: one was; the losses of that step are named.
        """
        if self.failed:
            told = ", ".join(f"{name} {loss.item():.4g}" for name, loss in self.told.items())
            raise DivergedError(f"a loss is no longer finite ({told})")

    def optimize(self, retouched: Tensor, original: Tensor) -> dict[str, Tensor]:
        """What `step` does, without asking the device how it went."""
        failed_before = self.failed.clone()
        with self.mixed():
            restored = self.generator(retouched)
        restored = as_losses_are(restored)

        with self.mixed():
            real, fake = discriminator_losses(
                self.discriminator, self.gan_mode, retouched, original, restored.detach()
            )
        self.descend(self.optimizer_D, (real + fake) * 0.5)

        self.discriminator.requires_grad_(False)
        with self.mixed():
            logits = self.discriminator(torch.cat([retouched, restored], 1))
            losses = {
                "G_GAN": gan_loss(self.gan_mode, as_losses_are(logits), real=True),
                "G_L1": F.l1_loss(restored, original) * self.lambda_L1,
            }
            if self.perceptual is not None:
                term = self.perceptual(restored, original)
                losses["G_Perceptual"] = term * self.lambda_perceptual
        self.descend(self.optimizer_G, torch.stack(list(losses.values())).sum())
        self.discriminator.requires_grad_(True)

        losses = {name: loss.detach() for name, loss in losses.items()}
        losses |= {"D_real": real.detach(), "D_fake": fake.detach()}
        for name, loss in losses.items():
            self.told[name].copy_(torch.where(failed_before > 0, self.told[name], loss))
        return losses

    def mixed(self) -> AbstractContextManager[None]:
        """Where the convolutions run in the settings' precision; weights stay float32.

        Entered anew for each network's turn: it keeps cast weights, and an update outdates them.
        """
        device = self.failed.device.type
        return torch.autocast(device, torch.bfloat16, enabled=self.precision == "bfloat16")

    def descend(self, optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
        """One optimiser step down `loss`, which does nothing once a loss was not finite."""
        torch.maximum(self.failed, (~torch.isfinite(loss.detach())).float(), out=self.failed)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()


def adam(net: nn.Module, lr: float, settings: TrainSettings) -> torch.optim.Optimizer:
    """pix2pix's optimiser: Adam with betas (beta1, 0.999), its rate a tensor beside the weights."""
    device = next(net.parameters()).device
    # Fused kernels on a GPU read a float32 rate; those of the CPU a double.
    kind = torch.float64 if device.type == "cpu" else torch.float32
    return torch.optim.Adam(
        net.parameters(),
        torch.tensor(lr, dtype=kind, device=device),
        betas=(settings.beta1, 0.999),
        fused=True,
        capturable=device.type == "cuda",
    )


def as_losses_are(x: Tensor) -> Tensor:
    """Losses are never taken in less than float32."""
    return x.float() if x.dtype == torch.bfloat16 else x


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


def update(optimizer: torch.optim.Optimizer, loss: Tensor, parts: dict[str, Tensor]) -> None:
    """One optimiser step down `loss`; refused where `loss` is not finite, naming its `parts`."""
    if not torch.isfinite(loss):
        told = ", ".join(f"{name} {part.item():.4g}" for name, part in parts.items())
        raise DivergedError(f"a loss is no longer finite ({told})")
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
