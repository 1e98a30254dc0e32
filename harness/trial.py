"""One trial, from its parameters to its score. The page to read first."""

import math
from functools import cached_property

import torch
from torch import Tensor, nn

from harness.config import TrialPlan
from harness.data.pairs import load_dataset
from harness.errors import DivergedError
from harness.panels import panel_png
from harness.paths import StudyPaths, write_aside
from harness.training.batches import batches, to_signed, to_unit
from harness.training.checkpoints import state_of
from harness.training.loop import train
from harness.training.networks import build_discriminator, build_generator, restoring
from harness.training.perceptual import PerceptualLoss
from harness.training.step import Pix2Pix
from harness.trial_messages import Baseline, Report, Rung, Tell, TrialResult, TrialRunner, TrialTask
from harness.warmstart import WarmStart, from_user_model, make_warm_start
from objectives.boundary_sharpness import BoundarySharpness
from objectives.score import Reference, Score


class Trials:
    """Runs the trials of one study in one process. What they share is made once, here.

    Each trial continues from the same warm start with the same batches in the same order, so that
    two trials differ by their parameters alone.
    """

    def __init__(self, plan: TrialPlan) -> None:
        torch.set_num_threads(plan.threads)
        torch.set_flush_denormal(True)
        self.plan = plan
        self.paths = StudyPaths(plan.folder)
        self.device = torch.device(plan.device)
        dataset = load_dataset(plan.dataset)
        self.pairs = dataset.train
        val = dataset.val
        retouched, originals, masks = (
            torch.stack(kind).to(self.device) for kind in (val.retouched, val.originals, val.masks)
        )
        self.retouched = to_signed(retouched)
        self.undone = val.undone
        self.reference = Reference(
            val.names, to_unit(to_signed(originals)), masks, to_unit(self.retouched)
        )
        self.score = BoundarySharpness(plan.weights, plan.device).against(self.reference)
        self.perceptual = PerceptualLoss(
            plan.train.perceptual_layers, plan.weights, plan.train.perceptual_window
        ).to(self.device)

    def prepare(self, tell: Tell) -> Baseline:
        """Make the shared warm start unless it is there; score it, the input, and the oracle.

        Raises:
            UserInputError: `init_from` names a checkpoint that does not fit.
        """
        noop = self.score(to_unit(self.retouched)).value
        oracle = self.oracle()
        if self.plan.warm_start == "none":
            return Baseline(noop, None, oracle)
        if not self.paths.warm_start.folder.exists():
            torch.set_num_threads(self.plan.warm_start_threads)
            self.make_warm_start(tell).save(self.paths.warm_start)
            torch.set_num_threads(self.plan.threads)
        generator = build_generator(self.plan.train, self.plan.seed)
        generator.load_state_dict(self.warm_start.generator)
        _, score = self.judge(generator.to(self.device))
        return Baseline(noop, score.value, oracle)

    def oracle(self) -> float | None:
        """The score of the inputs with their warp undone; None where the warp is not known."""
        if not self.undone:
            return None
        return self.score(to_unit(to_signed(torch.stack(self.undone).to(self.device)))).value

    def make_warm_start(self, tell: Tell) -> WarmStart:
        """From the user's own model where `init_from` names one, else by training."""
        plan = self.plan
        torch.manual_seed(plan.seed)
        shared = (plan.train, self.pairs, plan.discriminators, self.device, plan.seed, tell)
        if plan.init_from:
            return from_user_model(plan.init_from, *shared)
        return make_warm_start(*shared)

    @cached_property
    def warm_start(self) -> WarmStart:
        """The study's warm start, read once a worker."""
        return WarmStart.load(self.paths.warm_start, self.plan.discriminators)

    def run(self, task: TrialTask, report: Report) -> TrialResult | None:
        """Train one setting for a short while, score it at every rung, stop where told to."""
        torch.manual_seed(task.seed)
        generator, discriminator = self.networks(task)
        settings = self.plan.train
        model = Pix2Pix.start(generator, discriminator, task.params, settings, self.perceptual)
        stream = batches(self.pairs, settings, self.device, task.seed)
        for progress in train(model, stream, settings):
            restored, score = self.judge(progress.generator)
            panel = panel_png(self.reference, restored)
            rung = Rung(progress.step, score.value, score.components, progress.losses, panel)
            if not report(rung):
                return None
        checkpoint = self.paths.checkpoint(task.number)
        with write_aside(checkpoint) as aside:
            torch.save(state_of(progress.generator), aside)
        return TrialResult(rung, score.per_image, checkpoint)

    def networks(self, task: TrialTask) -> tuple[nn.Module, nn.Module]:
        """The two networks as this trial begins with them: warm, or fresh from its seed."""
        n_layers = task.params.n_layers_D
        generator = build_generator(self.plan.train, task.seed)
        discriminator = build_discriminator(self.plan.train, n_layers, task.seed)
        if self.plan.warm_start == "shared":
            warm = self.warm_start
            generator.load_state_dict(warm.generator)
            discriminator.load_state_dict(warm.discriminators[n_layers, task.params.gan_mode])
        return generator.to(self.device), discriminator.to(self.device)

    def judge(self, generator: nn.Module) -> tuple[Tensor, Score]:
        """Restore the validation pictures and score them.

        Raises:
            DivergedError: the score is not finite.
        """
        with restoring(generator) as restore:
            restored = to_unit(restore(self.retouched))
            score = self.score(restored)
        if not math.isfinite(score.value):
            raise DivergedError(f"the score is no longer finite ({score.value})")
        return restored, score


def make_runner(plan: TrialPlan) -> TrialRunner:
    """What a worker calls once, in its own process."""
    return Trials(plan)
