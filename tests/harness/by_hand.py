"""What a training must come to, computed step by step from its description: the slow, plain way."""

import copy
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.config.settings import TrainSettings
from harness.data.pairs.pair_set import PairSet
from harness.training.networks import build_discriminator, build_generator, init_as_copy
from objectives.boundary_sharpness import BoundarySharpness
from objectives.score import Reference, Score
from search_spaces.trial_params import TrialParams

Weights = dict[str, Tensor]
LAYOUT = torch.channels_last


class Average:
    """A running average of a generator's weights, decayed once a step, refreshed every so many."""

    def __init__(self, generator: nn.Module, settings: TrainSettings) -> None:
        self.generator = generator
        self.settings = settings
        self.net = copy.deepcopy(generator)
        self.step = 0

    def after_a_step(self) -> None:
        self.step += 1
        every = self.settings.ema_every
        if self.step % every:
            return
        # The first refresh has nothing to average with.
        kept = self.settings.ema_decay**every if self.step > every else 0.0
        for mine, other in zip(self.net.parameters(), self.generator.parameters(), strict=True):
            mine.data = kept * mine.data + (1 - kept) * other.data


def shown(pairs: PairSet, settings: TrainSettings, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Pictures one at a time, in an order drawn for each epoch; a crop is drawn, then a coin."""
    size = settings.crop_size
    random = torch.Generator().manual_seed(seed)
    while True:
        for k in torch.randperm(len(pairs), generator=random).tolist():
            height, width = pairs.originals[k].shape[1:]
            y = x = 0
            if settings.preprocess != "none":
                y = int(torch.randint(height - size + 1, (), generator=random))
                x = int(torch.randint(width - size + 1, (), generator=random))
            flipped = settings.flip and torch.randint(2, (), generator=random) == 1
            halves = []
            for side in (pairs.retouched, pairs.originals):
                cut = side[k][None, :, y : y + size, x : x + size].float() / 127.5 - 1
                halves.append((cut.flip(3) if flipped else cut).to(memory_format=LAYOUT))
            yield halves[0], halves[1]


class Gan:
    """pix2pix's step with torch's own optimisers, without a perceptual term."""

    def __init__(
        self, nets: tuple[nn.Module, nn.Module], params: TrialParams, beta1: float
    ) -> None:
        # Dropout draws its mask in the order of the memory.
        self.generator, self.discriminator = (net.to(memory_format=LAYOUT) for net in nets)
        self.params = params
        self.optimizers = [
            torch.optim.Adam(net.parameters(), params.lr, betas=(beta1, 0.999)) for net in nets
        ]

    def says(self, logits: Tensor, real: float) -> Tensor:
        wanted = torch.full_like(logits, real)
        if self.params.gan_mode == "lsgan":
            return ((logits - wanted) ** 2).mean()
        return F.binary_cross_entropy_with_logits(logits, wanted)

    def train_discriminator(self, a: Tensor, b: Tensor, restored: Tensor) -> dict[str, float]:
        fake = self.says(self.discriminator(torch.cat([a, restored.detach()], 1)), 0.0)
        real = self.says(self.discriminator(torch.cat([a, b], 1)), 1.0)
        self.optimizers[1].zero_grad()
        ((real + fake) / 2).backward()
        self.optimizers[1].step()
        return {"D_real": real.item(), "D_fake": fake.item()}

    def step(self, a: Tensor, b: Tensor) -> dict[str, float]:
        restored = self.generator(a)
        losses = self.train_discriminator(a, b, restored)
        fooled = self.says(self.discriminator(torch.cat([a, restored], 1)), 1.0)
        far = self.params.lambda_L1 * (restored - b).abs().mean()
        self.optimizers[0].zero_grad()
        (fooled + far).backward()
        self.optimizers[0].step()
        return {"G_GAN": fooled.item(), "G_L1": far.item(), **losses}


def trained(
    pairs: PairSet,
    settings: TrainSettings,
    params: TrialParams,
    begun: tuple[Weights, Weights],
    seed: int,
    rungs: tuple[int, ...],
) -> Iterator[tuple[nn.Module, dict[str, float]]]:
    """At each rung the averaged generator, and each loss's mean since the rung before."""
    nets = (build_generator(settings, 0), build_discriminator(settings, params.n_layers_D, 0))
    for net, weights in zip(nets, begun, strict=True):
        net.load_state_dict(weights)
    torch.manual_seed(seed)  # of dropout
    gan, average = Gan(nets, params, settings.beta1), Average(nets[0], settings)
    rows: list[dict[str, float]] = []
    for step, (a, b) in enumerate(shown(pairs, settings, seed), 1):
        rows.append(gan.step(a, b))
        average.after_a_step()
        if step in rungs:
            yield average.net, {name: sum(r[name] for r in rows) / len(rows) for name in rows[0]}
            rows = []
        if step == rungs[-1]:
            return


def warm_start(
    pairs: PairSet, settings: TrainSettings, kinds: tuple[tuple[int, str], ...], seed: int
) -> tuple[Weights, dict[tuple[int, str], Weights]]:
    """The guide's blurring recipe, then a discriminator of each kind beside what it made."""
    blurring = TrialParams(
        lambda_L1=500, lambda_perceptual=0, n_layers_D=3, gan_mode="vanilla", lr=1e-4
    )
    params = blurring
    torch.manual_seed(seed)
    generator = build_generator(settings, seed)
    if settings.netG.startswith("warp_"):
        own = {"lambda_L1": 100, "gan_mode": "lsgan", "lr": settings.warm_start_lr_warp}
        params = blurring.model_copy(update=own)
    else:
        init_as_copy(generator)
    gan = Gan((generator, build_discriminator(settings, 3, seed)), params, settings.beta1)
    average, stream = Average(generator, settings), shown(pairs, settings, seed)
    for _ in range(settings.warm_start_steps):
        gan.step(*next(stream))
        average.after_a_step()
    with torch.no_grad():
        for mine, other in zip(generator.parameters(), average.net.parameters(), strict=True):
            mine.copy_(other)
    learners = {
        (depth, mode): Gan(
            (generator, build_discriminator(settings, depth, seed)),
            blurring.model_copy(update={"n_layers_D": depth, "gan_mode": mode}),
            settings.beta1,
        )
        for depth, mode in kinds
    }
    for _ in range(settings.warm_discriminator_steps):
        a, b = next(stream)
        restored = generator(a).detach()
        for learner in learners.values():
            learner.train_discriminator(a, b, restored)
    return weights_of(generator), {
        kind: weights_of(learner.discriminator) for kind, learner in learners.items()
    }


def weights_of(net: nn.Module) -> Weights:
    """What is learnt; the statistics of its batches are not looked at when it restores."""
    return {name: weight.detach() for name, weight in net.named_parameters()}


def scored(pairs: PairSet, restored: Tensor) -> Score:
    """By random trunks; `restored` in [0, 1]."""
    originals, retouched = (
        torch.stack(side).float() / 255 for side in (pairs.originals, pairs.retouched)
    )
    reference = Reference(pairs.names, originals, torch.stack(pairs.masks), retouched)
    return BoundarySharpness("random").against(reference)(restored)


def restored_by(generator: nn.Module, pairs: PairSet) -> Tensor:
    """One picture at a time, as pix2pix's test.py does, but without dropout."""
    net = copy.deepcopy(generator).train()
    for module in net.modules():
        if isinstance(module, nn.Dropout):
            module.eval()
    with torch.no_grad():
        pictures = [net(picture[None].float() / 127.5 - 1) for picture in pairs.retouched]
    return ((torch.cat(pictures) + 1) / 2).clamp(0, 1)


def assert_moved_alike(found: Weights, wanted: Weights, begun: Weights) -> None:
    """Both went the same way from where they began, but for what rounding does to Adam's steps."""
    way, apart = (
        torch.cat([(weights[name] - other[name]).flatten() for name in wanted])
        for weights, other in ((wanted, begun), (found, wanted))
    )
    assert way.norm() > 0
    assert apart.norm() / way.norm() < 0.03
