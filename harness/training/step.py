"""One optimisation step of pix2pix: the discriminator, then the generator.

Values that differ between trials of one structure (lambdas, learning rate, weights) are tensors on
the device, and a step reads nothing back to the host, so one captured step serves all of them.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.config.settings import Precision, TrainSettings
from harness.errors import DivergedError
from harness.training.adam import Adam
from harness.training.batches import Batch
from harness.training.checkpoints import NetWeights
from harness.training.fast_convolutions import to_channels_last
from harness.training.losses import gan_loss, upcast_bfloat16
from harness.training.networks import ResnetGenerator
from harness.training.normalization import take_over_counters
from harness.training.perceptual import Features, PerceptualLoss
from harness.training.precision import mixed_precision, training_precision
from harness.training.running_average import RunningAverage, make_running_average
from search_spaces.trial_params import GanMode, TrialParams

LOSS_NAMES = ("G_GAN", "G_L1", "G_Perceptual", "D_real", "D_fake")
# Forward passes of a step through the generator and the discriminator.
PASSES = (1, 3)


@dataclass
class Pix2Pix:
    """The networks and optimisers of one training; `step` trains them on one batch.

    Attributes:
        same_shapes: whether all batches but the last of an epoch have the same shape.
        perceptual: the VGG term; None if `lambda_perceptual` is 0.
        failed: 1 after a loss that was not finite; from then on nothing is updated.
        latest_losses: the losses of the latest step, in the order of `names`; after a loss that was
            not finite, those of that step.
        sums: the sum of each loss over the `summed` steps since the last `mean_losses`.
        averaged: the running average of the generator's weights, updated every `average_every`
            steps.
        counters: the batch counts of all normalisation layers.
        passes: how much a step adds to each of them.
    """

    generator: nn.Module
    discriminator: nn.Module
    gan_mode: GanMode
    precision: Precision
    same_shapes: bool
    optimizer_G: Adam
    optimizer_D: Adam
    perceptual: PerceptualLoss | None
    lambda_L1: Tensor
    lambda_perceptual: Tensor
    failed: Tensor
    names: tuple[str, ...]
    latest_losses: Tensor
    sums: Tensor
    averaged: RunningAverage
    average_every: int
    counters: list[Tensor]
    passes: list[int]
    steps: int = 0
    summed: int = 0

    @classmethod
    def start(
        cls,
        generator: nn.Module,
        discriminator: nn.Module,
        params: TrialParams,
        settings: TrainSettings,
        perceptual: PerceptualLoss | None,
    ) -> "Pix2Pix":
        """Start a training of these networks, with an optimiser for each."""
        device = next(generator.parameters()).device
        # Dropout draws its mask in memory order; that of residual generators must stay the
        # reference implementation's.
        if not isinstance(generator, ResnetGenerator):
            to_channels_last(generator)
        failed = torch.zeros((), device=device)
        dtype = next(generator.parameters()).dtype
        counters = [take_over_counters(net) for net in (generator, discriminator)]
        passes = [count for count, each in zip(PASSES, counters, strict=True) for _ in each]
        names = tuple(
            name for name in LOSS_NAMES if name != "G_Perceptual" or params.lambda_perceptual > 0
        )
        return cls(
            generator,
            to_channels_last(discriminator),
            params.gan_mode,
            settings.precision,
            settings.preprocess != "none",
            Adam(generator, params.lr, settings, failed),
            Adam(discriminator, params.lr, settings, failed),
            perceptual if params.lambda_perceptual > 0 else None,
            torch.tensor(params.lambda_L1, dtype=torch.float32, device=device),
            torch.tensor(params.lambda_perceptual, dtype=torch.float32, device=device),
            failed,
            names,
            torch.zeros(len(names), dtype=dtype, device=device),
            torch.zeros(len(names), dtype=dtype, device=device),
            make_running_average(generator, settings),
            settings.ema_every,
            [*counters[0], *counters[1]],
            passes,
        )

    def share_generator(self, other: "Pix2Pix") -> None:
        """Use another model's generator with its optimiser and average: most of a model's memory.

        Afterwards only one of the two can be trained at a time, beginning with a `restart`.
        """
        self.generator, self.optimizer_G = other.generator, other.optimizer_G
        self.averaged = other.averaged
        self.failed = self.optimizer_D.failed = other.failed
        nets = (self.generator, self.discriminator)
        self.counters = [counter for net in nets for counter in take_over_counters(net)]

    def restart(
        self, generator: NetWeights, discriminator: NetWeights, params: TrialParams
    ) -> None:
        """Reset in place to the model that `start` would return for these weights and parameters.

        `params` must have the same structure: n_layers_D, gan_mode, and whether there is a
        perceptual term.
        """
        self.generator.load_state_dict(generator)
        self.discriminator.load_state_dict(discriminator)
        self.lambda_L1.fill_(params.lambda_L1)
        self.lambda_perceptual.fill_(params.lambda_perceptual)
        self.failed.zero_()
        self.sums.zero_()
        self.averaged.module.load_state_dict(generator)
        self.averaged.n_averaged.zero_()
        self.steps = self.summed = 0
        self.optimizer_D.freeze(False)  # a step that raised may have left it frozen
        for optimizer in (self.optimizer_G, self.optimizer_D):
            for group in optimizer.param_groups:
                group["lr"].fill_(params.lr)
            for state in optimizer.state.values():
                for value in state.values():
                    value.zero_()

    def changed_tensors(self) -> list[Tensor]:
        """All tensors that a step modifies."""
        nets, optimizers = (
            (self.generator, self.discriminator, self.averaged.module),
            (self.optimizer_G, self.optimizer_D),
        )
        return [
            *(tensor for net in nets for tensor in (*net.parameters(), *net.buffers())),
            *(tensor for optimizer in optimizers for tensor in optimizer.state_tensors()),
            self.failed,
            self.latest_losses,
            self.sums,
        ]

    def feed(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """The batches for `step`, unchanged; `CapturedStep.feed` prepares them for its graph."""
        return iter(batches)

    def step(
        self, retouched: Tensor, original: Tensor, original_features: Features | None = None
    ) -> dict[str, Tensor]:
        """One step on a batch of `[n, 3, h, w]` in [-1, 1]; returns each loss, detached.

        As in pix2pix's own log, `G_L1` and `G_Perceptual` carry their lambda.

        Args:
            original_features: the perceptual term's deep features of `original`, if cached.

        Raises:
            DivergedError: a loss is not finite; its network has not been updated.
        """
        losses = self.optimize(retouched, original, original_features)
        if self.count_step():
            self.averaged.update_parameters(self.generator)
        self.check()
        return losses

    def count_step(self) -> bool:
        """Count a step; return whether the running average is to be updated after it."""
        self.steps += 1
        self.summed += 1
        return self.steps % self.average_every == 0

    def check(self) -> None:
        """Check that all losses so far were finite; waits for the device.

        Raises:
            DivergedError: one was not; the message has the losses of that step.
        """
        if self.failed:
            raise self.diverged(self.latest_losses.tolist())

    def diverged(self, losses: list[float]) -> DivergedError:
        listed = ", ".join(
            f"{name} {loss:.4g}" for name, loss in zip(self.names, losses, strict=True)
        )
        return DivergedError(f"a loss is no longer finite ({listed})")

    def mean_losses(self) -> dict[str, float]:
        """The mean of every loss over the steps since the last call, in one read of the device.

        Raises:
            DivergedError: as `check`.
        """
        count = len(self.names)
        read = torch.cat([self.sums, self.latest_losses, self.failed.view(1)]).tolist()
        if read[-1]:
            raise self.diverged(read[count:-1])
        means = {
            name: total / self.summed for name, total in zip(self.names, read[:count], strict=True)
        }
        self.sums.zero_()
        self.summed = 0
        return means

    def optimize(
        self, retouched: Tensor, original: Tensor, original_features: Features | None = None
    ) -> dict[str, Tensor]:
        """`step` without `check`, which synchronises with the device."""
        with training_precision(self.failed.device, self.precision, self.same_shapes):
            return self.update_networks(retouched, original, original_features)

    def update_networks(
        self, retouched: Tensor, original: Tensor, original_features: Features | None
    ) -> dict[str, Tensor]:
        """Update the discriminator, then the generator."""
        failed_before = self.failed.clone()
        device = self.failed.device
        with mixed_precision(device, self.precision):
            restored = self.generator(retouched)
        restored = upcast_bfloat16(restored)

        with mixed_precision(device, self.precision):
            real, fake = discriminator_losses(
                self.discriminator, self.gan_mode, retouched, original, restored.detach()
            )
        self.optimizer_D.descend((real + fake) * 0.5)

        self.optimizer_D.freeze(True)
        with mixed_precision(device, self.precision):
            logits = self.discriminator(torch.cat([retouched, restored], 1))
            losses = {
                "G_GAN": gan_loss(self.gan_mode, upcast_bfloat16(logits), real=True),
                "G_L1": F.l1_loss(restored, original) * self.lambda_L1,
            }
            if self.perceptual is not None:
                term = self.perceptual(restored, original, original_features)
                losses["G_Perceptual"] = term * self.lambda_perceptual
        self.optimizer_G.descend(torch.stack(list(losses.values())).sum())
        self.optimizer_D.freeze(False)

        if self.counters:
            torch._foreach_add_(self.counters, self.passes)
        values = torch.stack([*losses.values(), real, fake]).detach()
        self.sums += values
        latest = self.latest_losses
        torch.where(failed_before > 0, latest, values, out=latest)
        return dict(zip(self.names, values.unbind(), strict=True))


def discriminator_losses(
    discriminator: nn.Module,
    gan_mode: GanMode,
    retouched: Tensor,
    original: Tensor,
    restored: Tensor,
) -> tuple[Tensor, Tensor]:
    """The discriminator's losses on the real and on the restored pair."""
    fake = upcast_bfloat16(discriminator(torch.cat([retouched, restored], 1)))
    real = upcast_bfloat16(discriminator(torch.cat([retouched, original], 1)))
    return gan_loss(gan_mode, real, real=True), gan_loss(gan_mode, fake, real=False)
