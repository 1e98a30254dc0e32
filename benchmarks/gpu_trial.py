"""What the parts of `benchmarks.gpu` measure: a trial's captured step, and how big it is."""

import contextlib
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.step import PARAMS, WITH_PERCEPTUAL, looked_through
from harness.config.profiles import QUICK, STANDARD
from harness.config.settings import TrainSettings
from harness.data.pairs.pair_set import PairSet
from harness.training.batches import Batches, batches
from harness.training.checkpoints import NetWeights, state_of
from harness.training.cuda_graph import CapturedStep
from harness.training.feature_cache import TargetFeatures
from harness.training.inputs import inputs_for
from harness.training.networks import build_discriminator, build_generator
from harness.training.step import Pix2Pix

GPU = "cuda:0"
PAIRS = 8


@dataclass(frozen=True)
class Scene:
    """The sizes of what is measured, on a GPU or in a rehearsal.

    Attributes:
        root: the repository's folder.
        trial: a trial's training settings.
        seconds: how long each rate is measured.
        batch: calls between two looks at the clock.
        steps: of a trial's loop.
        copied: bytes of the copy; `side`: of the square matrices multiplied.
        counts: trials at a time.
        perceptual: without the perceptual term, with it.
    """

    root: Path
    rehearsal: bool
    trial: TrainSettings
    seconds: float
    batch: int
    steps: int
    copied: int
    side: int
    counts: tuple[int, ...]
    perceptual: tuple[bool, ...]

    def device(self) -> AbstractContextManager[Any]:
        """The GPU: a rehearsal's is pretended."""
        if not self.rehearsal:
            return contextlib.nullcontext()
        folder = str(self.root / "tests" / "harness")
        if folder not in sys.path:
            sys.path.insert(0, folder)
        from pretended_gpu import PretendedGpu

        pretended: AbstractContextManager[Any] = PretendedGpu()
        return pretended


def standard(root: Path) -> Scene:
    both = (False, True)
    return Scene(root, False, STANDARD, 1.5, 10, 300, 1 << 30, 8192, (1, 2, 4), both)


def rehearsal(root: Path) -> Scene:
    """As small as the same code can be run."""
    small = QUICK.updated(
        {
            "ndf": 4,
            "steps": 2,
            "rungs": (1, 2),
            "ema_every": 1,
            "perceptual_layers": ("relu1_1", "relu2_1"),
            "perceptual_window": None,
            "warm_start_steps": 2,
            "warm_discriminator_steps": 1,
        }
    )
    return Scene(root, True, small, 0.0, 1, 2, 1 << 10, 8, (2,), (True,))


def milliseconds(act: Callable[[], object], scene: Scene) -> float:
    """Of one call, the device waited for; after a third of the time to warm up."""
    for limit in (scene.seconds / 3, scene.seconds):
        torch.cuda.synchronize()
        count, began = 0, time.perf_counter()
        while not count or time.perf_counter() - began < limit:
            for _ in range(scene.batch):
                act()
            torch.cuda.synchronize()
            count += scene.batch
        taken = (time.perf_counter() - began) / count
    return taken * 1e3


def random_pairs(settings: TrainSettings) -> PairSet:
    random = torch.Generator().manual_seed(0)
    shape = (3, settings.crop_size, settings.crop_size)

    def pictures() -> tuple[Tensor, ...]:
        return tuple(
            torch.randint(0, 256, shape, dtype=torch.uint8, generator=random) for _ in range(PAIRS)
        )

    masks = (torch.ones(1, *shape[1:], dtype=torch.bool),) * PAIRS
    return PairSet(tuple(map(str, range(PAIRS))), pictures(), pictures(), masks)


def build(
    scene: Scene, precision: str, perceptual: bool, seed: int = 0
) -> tuple[Pix2Pix, tuple[NetWeights, NetWeights], Batches]:
    """A training on random pictures: its model, its initial weights, its batches."""
    settings = scene.trial.updated({"precision": precision})
    params = WITH_PERCEPTUAL if perceptual else PARAMS
    vgg = looked_through(settings, GPU) if perceptual else None
    nets = (
        build_generator(settings, seed),
        build_discriminator(settings, params.n_layers_D, seed + 1),
    )
    initial = (state_of(nets[0]), state_of(nets[1]))
    generator, discriminator = (net.to(GPU) for net in nets)
    model = Pix2Pix.start(generator, discriminator, params, settings, vgg)
    targets = None if vgg is None else TargetFeatures(vgg, settings.precision, 1 << 31)
    return model, initial, batches(random_pairs(settings), settings, torch.device(GPU), 0, targets)


def captured(
    scene: Scene, precision: str, perceptual: bool, seed: int = 0
) -> tuple[CapturedStep, Batches]:
    """The same, its step captured and at its start."""
    model, initial, stream = build(scene, precision, perceptual, seed)
    step = CapturedStep.capture(model, inputs_for(stream))
    step.restart(*initial, WITH_PERCEPTUAL if perceptual else PARAMS)
    return step, stream
