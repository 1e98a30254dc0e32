"""The networks that all trials of a study start from: a shared warm start, or the user's model.

A study with both kinds of generator has a warm start for each. Short trials from scratch would
mostly measure how fast a model learns to copy, or to find what was moved. Trials that start from a
model which has learned this measure the effect of the searched parameters.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from torch import nn

from harness.config.settings import TrainSettings
from harness.data.pairs.pair_set import PairSet
from harness.errors import DivergedError
from harness.paths import WarmStartPaths
from harness.training.adam import Adam
from harness.training.batches import Batch, Batches, batches
from harness.training.checkpoint_networks import discriminator_shape
from harness.training.checkpoints import NetWeights, load_weights, read_checkpoint, state_of
from harness.training.cuda_graph import (
    CapturedStep,
    capturable,
    capture_or_run_eagerly,
    try_capture,
)
from harness.training.fast_convolutions import to_channels_last
from harness.training.inputs import inputs_for
from harness.training.networks import (
    UnetGenerator,
    build_discriminator,
    build_generator,
    init_as_copy,
)
from harness.training.precision import training_precision
from harness.training.step import Pix2Pix, discriminator_losses
from search_spaces.generators import WARP, kind_of
from search_spaces.trial_params import GanMode, TrialParams

DiscriminatorKind = tuple[int, GanMode]
"""The kind of a discriminator: `n_layers_D`, and the loss that it is trained with."""

ProgressCallback = Callable[[int, int], None]
"""Called with the progress of a warm start: steps done, and steps in total."""

# The guide's "problem" recipe, whose output is blurred.
BLURRING_PARAMS = TrialParams(
    lambda_L1=500, lambda_perceptual=0, n_layers_D=3, gan_mode="vanilla", lr=1e-4
)
# For a generator that moves pixels, which does not blur; `warm_start_lr_warp` replaces the lr.
WARP_PARAMS = TrialParams(
    lambda_L1=100, lambda_perceptual=0, n_layers_D=3, gan_mode="lsgan", lr=2e-4
)


@dataclass(frozen=True)
class WarmStart:
    """The weights of a generator, and of a discriminator of every kind that trials use."""

    generator: NetWeights
    discriminators: Mapping[DiscriminatorKind, NetWeights]

    def to(self, device: torch.device) -> "WarmStart":
        """A copy with all weights on a device."""

        def on_device(weights: NetWeights) -> NetWeights:
            return {name: value.to(device) for name, value in weights.items()}

        return WarmStart(
            on_device(self.generator),
            {kind: on_device(weights) for kind, weights in self.discriminators.items()},
        )

    def write(self, paths: WarmStartPaths) -> None:
        torch.save(self.generator, paths.generator)
        for (n_layers, mode), net in self.discriminators.items():
            torch.save(net, paths.discriminator(n_layers, mode))

    @classmethod
    def load(cls, paths: WarmStartPaths, kinds: tuple[DiscriminatorKind, ...]) -> "WarmStart":
        nets = {kind: read_checkpoint(paths.discriminator(*kind), "D") for kind in kinds}
        return cls(read_checkpoint(paths.generator), nets)


def save_warm_starts(warm_starts: Sequence[WarmStart], paths: WarmStartPaths) -> None:
    """Save warm starts atomically.

    Args:
        warm_starts: that of the profile's generator and, if any, of the other kind.
    """
    temporary = WarmStartPaths(paths.folder.with_name(f".{paths.folder.name}.tmp"))
    shutil.rmtree(temporary.folder, ignore_errors=True)
    temporary.folder.mkdir(parents=True)
    targets = (temporary, temporary.other_kind)
    for warm_start, target in zip(warm_starts, targets, strict=False):
        warm_start.write(target)
    temporary.folder.rename(paths.folder)


def make_warm_start(
    settings: TrainSettings,
    pairs: PairSet,
    kinds: tuple[DiscriminatorKind, ...],
    device: torch.device,
    seed: int,
    on_progress: ProgressCallback,
) -> WarmStart:
    """Train the blurring recipe once, then one discriminator of each kind against its generator.

    A generator that moves pixels is trained with `WARP_PARAMS` instead. Every discriminator is
    trained for the same number of steps against the same, finished generator, so that no depth or
    loss starts at a disadvantage.
    """
    total = settings.warm_start_steps + settings.warm_discriminator_steps
    generator = build_generator(settings, seed)
    if isinstance(generator, UnetGenerator):
        init_as_copy(generator)
    generator.to(device)
    params = BLURRING_PARAMS
    if kind_of(settings.netG) == WARP:
        params = WARP_PARAMS.model_copy(update={"lr": settings.warm_start_lr_warp})
    discriminator = build_discriminator(settings, params.n_layers_D, seed).to(device)
    model: Pix2Pix | CapturedStep
    model = started = Pix2Pix.start(generator, discriminator, params, settings, None)
    stream = batches(pairs, settings, device, seed)
    if capturable(settings, device):
        model = try_capture(started, inputs_for(stream))[0] or started
    for done, batch in enumerate(islice(model.feed(stream), settings.warm_start_steps), 1):
        model.step(*batch)
        on_progress(done, total)
    model.check()
    generator.load_state_dict(model.averaged.module.state_dict())

    def on_rest(done: int, total: int) -> None:
        on_progress(settings.warm_start_steps + done, settings.warm_start_steps + total)

    return WarmStart(
        state_of(generator),
        train_discriminators(generator, {}, settings, stream, kinds, seed, on_rest),
    )


def from_user_model(
    files: tuple[Path, ...],
    settings: TrainSettings,
    pairs: PairSet,
    kinds: tuple[DiscriminatorKind, ...],
    device: torch.device,
    seed: int,
    on_progress: ProgressCallback,
) -> WarmStart:
    """Make a warm start from the user's `latest_net_G.pth` [and `latest_net_D.pth`].

    Discriminators of the same depth start from the user's; every kind is then trained against the
    generator as in `make_warm_start`.

    Raises:
        UserInputError: a file is not a checkpoint, or does not fit `settings`.
        DivergedError: a loss is not finite.
    """
    generator = build_generator(settings, seed)
    load_weights(generator, read_checkpoint(files[0]), files[0], settings)
    initial: dict[int, NetWeights] = {}
    if len(files) > 1:
        weights = read_checkpoint(files[1], "D")
        depth, _ = discriminator_shape(weights, files[1])
        discriminator = build_discriminator(settings, depth, seed)
        load_weights(discriminator, weights, files[1], settings)
        initial[depth] = state_of(discriminator)
    stream = batches(pairs, settings, device, seed)
    generator = generator.to(device)
    return WarmStart(
        state_of(generator),
        train_discriminators(generator, initial, settings, stream, kinds, seed, on_progress),
    )


def train_discriminators(
    generator: nn.Module,
    initial: Mapping[int, NetWeights],
    settings: TrainSettings,
    stream: Batches,
    kinds: tuple[DiscriminatorKind, ...],
    seed: int,
    on_progress: ProgressCallback,
) -> dict[DiscriminatorKind, NetWeights]:
    """Train one discriminator of each kind for `warm_discriminator_steps` against `generator`.

    Raises:
        DivergedError: a loss is not finite.
    """
    steps = settings.warm_discriminator_steps
    device = next(generator.parameters()).device
    failed = torch.zeros((), device=device)
    learners = []
    for n_layers, gan_mode in kinds:
        net = build_discriminator(settings, n_layers, seed)
        if n_layers in initial:
            net.load_state_dict(initial[n_layers])
        net.to(device)
        params = BLURRING_PARAMS.model_copy(update={"n_layers_D": n_layers, "gan_mode": gan_mode})
        learners.append((to_channels_last(net), params, Adam(net, params.lr, settings, failed)))

    def step(batch: Batch) -> None:
        retouched, original, _ = batch
        with training_precision(device, settings.precision, settings.preprocess != "none"):
            with torch.no_grad():
                restored = generator(retouched)
            for net, params, optimizer in learners:
                real, fake = discriminator_losses(
                    net, params.gan_mode, retouched, original, restored
                )
                optimizer.descend((real + fake) * 0.5)

    run: Callable[[Batch], object] = step
    feed: Iterator[Batch] = stream
    if steps and capturable(settings, device):
        nets = (generator, *(net for net, _, _ in learners))
        changed = [
            *(tensor for net in nets for tensor in (*net.parameters(), *net.buffers())),
            *(tensor for _, _, optimizer in learners for tensor in optimizer.state_tensors()),
            failed,
        ]
        run, feed = capture_or_run_eagerly(step, changed, stream)
    for done, batch in enumerate(islice(feed, steps), 1):
        run(batch)
        on_progress(done, steps)
    if failed:
        raise DivergedError("the loss of a discriminator of the warm start is no longer finite")
    return {(params.n_layers_D, params.gan_mode): state_of(net) for net, params, _ in learners}
