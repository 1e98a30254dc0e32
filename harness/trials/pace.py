"""Time a few training steps and a scoring, to estimate a search before it starts."""

import time
from collections.abc import Callable

import torch

from harness.config.settings import TrainSettings
from harness.data.pairs.pair_set import PairSet
from harness.evaluation.evaluator import Evaluator
from harness.evaluation.panels import crop_png
from harness.training.batches import batches
from harness.training.cuda_graph import CapturedStep, capturable, try_capture
from harness.training.feature_cache import TargetFeatures
from harness.training.inputs import inputs_for
from harness.training.networks import build_discriminator, build_generator
from harness.training.perceptual import PerceptualLoss
from harness.training.step import Pix2Pix
from harness.trials.messages import Pace
from reports.record.names import RECOMMENDED
from search_spaces.recipes import load_recipes

# Seconds of timed calls per measurement; a call that takes longer is timed once.
MIN_SECONDS = 0.6


def measure_pace(
    train: TrainSettings,
    generators: tuple[str, ...],
    pairs: PairSet,
    perceptual: PerceptualLoss,
    targets: TargetFeatures | None,
    evaluator: Evaluator,
) -> Pace:
    """The pace of trials with the recommended setting, from new networks.

    Args:
        generators: the netG of each kind of generator that the search tries.
        pairs: the training pairs.
        evaluator: the evaluator on the validation pairs.
    """
    device = evaluator.device
    params = load_recipes()[RECOMMENDED]

    def pace_of(netG: str) -> tuple[float, float]:
        settings = train.updated({"netG": netG})
        generator = build_generator(settings, 0).to(device)
        discriminator = build_discriminator(settings, params.n_layers_D, 0).to(device)
        started = Pix2Pix.start(generator, discriminator, params, settings, perceptual)
        stream = batches(pairs, settings, device, 0, targets)
        model: Pix2Pix | CapturedStep = started
        if capturable(settings, device):
            model = try_capture(started, inputs_for(stream))[0] or started
        batch = next(model.feed(stream))
        step = seconds_of(lambda: model.step(*batch), device)

        def score() -> None:
            restored, _ = evaluator(generator)
            crop_png(evaluator.square, restored)

        return step, seconds_of(score, device) / len(evaluator.retouched)

    paces = {netG: pace_of(netG) for netG in generators}
    return Pace(
        {netG: step for netG, (step, _) in paces.items()},
        max(scoring for _, scoring in paces.values()),
    )


def seconds_of(work: Callable[[], object], device: torch.device) -> float:
    """Mean seconds that `work` takes on `device`, after one call that is not counted."""

    def timed_call() -> float:
        started = time.monotonic()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.monotonic() - started

    timed_call()
    times = [timed_call()]
    while sum(times) < MIN_SECONDS:
        times.append(timed_call())
    return sum(times) / len(times)
