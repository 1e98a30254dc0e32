"""Where every trial of a study begins: one shared warm start, the user's own model, or nothing.

A study of both kinds of generator has a warm start of each. Short trials from scratch mostly
measure how fast a model learns to copy, or to find what was moved. Continuing from one model that
can, they measure what the searched settings change.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

import torch
from torch import nn

from harness.config.settings import TrainSettings
from harness.data.pairs.pair_set import PairSet
from harness.errors import DivergedError
from harness.paths import WarmStartPaths
from harness.training.adam import Adam
from harness.training.batches import Batch, batches
from harness.training.checkpoint_networks import discriminator_shape
from harness.training.checkpoints import NetWeights, load_weights, read_checkpoint, state_of
from harness.training.cuda_graph import CapturedStep, CapturedSteps, capturable
from harness.training.fast_convolutions import by_channel
from harness.training.loop import averaging
from harness.training.networks import (
    UnetGenerator,
    build_discriminator,
    build_generator,
    init_as_copy,
)
from harness.training.step import Pix2Pix, discriminator_losses
from search_spaces.generators import WARP, kind_of
from search_spaces.params import GanMode, TrialParams

Kind = tuple[int, GanMode]
"""What tells one discriminator from another: n_layers_D and the loss it was trained with."""

Tell = Callable[[int, int], None]
"""Hears how far a warm start is: steps done, and steps in total."""

# The guide's "problem" recipe: the setting whose output blurs today.
BLURRING = TrialParams(
    lambda_L1=500, lambda_perceptual=0, n_layers_D=3, gan_mode="vanilla", lr=1e-4
)
# What a generator that moves pixels learns to find them by; it does not blur.
FINDING = TrialParams(lambda_L1=100, lambda_perceptual=0, n_layers_D=3, gan_mode="lsgan", lr=2e-4)


@dataclass(frozen=True)
class WarmStart:
    """A generator, and a discriminator of every kind that trials may ask for."""

    generator: NetWeights
    discriminators: Mapping[Kind, NetWeights]

    def write(self, paths: WarmStartPaths) -> None:
        torch.save(self.generator, paths.generator)
        for (n_layers, mode), net in self.discriminators.items():
            torch.save(net, paths.discriminator(n_layers, mode))

    @classmethod
    def load(cls, paths: WarmStartPaths, kinds: tuple[Kind, ...]) -> "WarmStart":
        nets = {kind: read_checkpoint(paths.discriminator(*kind), "D") for kind in kinds}
        return cls(read_checkpoint(paths.generator), nets)


def save(made: Sequence[WarmStart], paths: WarmStartPaths) -> None:
    """Write aside, then rename: a half-made folder never stands under the true name.

    Args:
        made: of the profile's generator, and of that of the other kind where there is one.
    """
    aside = WarmStartPaths(paths.folder.with_name(f".{paths.folder.name}.tmp"))
    shutil.rmtree(aside.folder, ignore_errors=True)
    aside.folder.mkdir(parents=True)
    for one, place in zip(made, (aside, aside.of_other), strict=False):
        one.write(place)
    aside.folder.rename(paths.folder)


def make_warm_start(
    settings: TrainSettings,
    pairs: PairSet,
    kinds: tuple[Kind, ...],
    device: torch.device,
    seed: int,
    tell: Tell,
) -> WarmStart:
    """Train the blurring recipe once, then one discriminator of each kind against its generator.

    A generator that moves pixels is trained to find them instead. Every discriminator gets the same
    number of steps against the same, finished generator, so that no depth and no loss begins at a
    disadvantage.
    """
    total = settings.warm_start_steps + settings.warm_discriminator_steps
    generator = build_generator(settings, seed)
    if isinstance(generator, UnetGenerator):
        init_as_copy(generator)
    generator.to(device)
    params = FINDING if kind_of(settings.netG) == WARP else BLURRING
    discriminator = build_discriminator(settings, params.n_layers_D, seed).to(device)
    model: Pix2Pix | CapturedStep
    model = started = Pix2Pix.start(generator, discriminator, params, settings, None)
    averaged = averaging(generator, settings)
    stream = batches(pairs, settings, device, seed)
    if capturable(settings, device):
        first = next(stream)
        stream = chain([first], stream)
        begun = state_of(generator), state_of(discriminator)
        model = CapturedSteps().begin("warm start", lambda: started, first, begun, params)
    for done, batch in enumerate(islice(stream, settings.warm_start_steps), 1):
        model.step(*batch)
        if done % settings.ema_every == 0:
            averaged.update_parameters(generator)
        tell(done, total)
    model.check()
    generator.load_state_dict(averaged.module.state_dict())

    def tell_rest(done: int, total: int) -> None:
        tell(settings.warm_start_steps + done, settings.warm_start_steps + total)

    return WarmStart(
        state_of(generator),
        train_discriminators(generator, {}, settings, stream, kinds, seed, tell_rest),
    )


def from_user_model(
    files: tuple[Path, ...],
    settings: TrainSettings,
    pairs: PairSet,
    kinds: tuple[Kind, ...],
    device: torch.device,
    seed: int,
    tell: Tell,
) -> WarmStart:
    """Begin from the user's `latest_net_G.pth` [and `latest_net_D.pth`].

    The user's discriminator is where those of its depth begin; every kind is then trained beside
    the generator as in `make_warm_start`.

    Raises:
        UserInputError: a file is no checkpoint, or of another network than `settings` says.
    """
    generator = build_generator(settings, seed)
    load_weights(generator, read_checkpoint(files[0]), files[0], settings)
    begun: dict[int, NetWeights] = {}
    if len(files) > 1:
        weights = read_checkpoint(files[1], "D")
        depth, _ = discriminator_shape(weights, files[1])
        discriminator = build_discriminator(settings, depth, seed)
        load_weights(discriminator, weights, files[1], settings)
        begun[depth] = state_of(discriminator)
    stream = batches(pairs, settings, device, seed)
    generator = generator.to(device)
    weights = state_of(generator)
    return WarmStart(
        weights, train_discriminators(generator, begun, settings, stream, kinds, seed, tell)
    )


def train_discriminators(
    generator: nn.Module,
    begun: Mapping[int, NetWeights],
    settings: TrainSettings,
    stream: Iterator[Batch],
    kinds: tuple[Kind, ...],
    seed: int,
    tell: Tell,
) -> dict[Kind, NetWeights]:
    """One discriminator of each kind, trained `warm_discriminator_steps` against `generator`.

    Raises:
        DivergedError: a loss is not finite.
    """
    steps = settings.warm_discriminator_steps
    device = next(generator.parameters()).device
    failed = torch.zeros((), device=device)
    learners = []
    for n_layers, gan_mode in kinds:
        net = build_discriminator(settings, n_layers, seed)
        if n_layers in begun:
            net.load_state_dict(begun[n_layers])
        net.to(device)
        params = BLURRING.model_copy(update={"n_layers_D": n_layers, "gan_mode": gan_mode})
        learners.append((by_channel(net), params, Adam(net, params.lr, settings, failed)))
    for done, (retouched, original, _) in enumerate(islice(stream, steps), 1):
        with torch.no_grad():
            restored = generator(retouched)
        for net, params, optimizer in learners:
            real, fake = discriminator_losses(net, params.gan_mode, retouched, original, restored)
            optimizer.descend((real + fake) * 0.5)
        tell(done, steps)
    if failed:
        raise DivergedError("the loss of a discriminator of the warm start is no longer finite")
    return {(params.n_layers_D, params.gan_mode): state_of(net) for net, params, _ in learners}
