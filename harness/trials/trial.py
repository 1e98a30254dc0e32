"""One trial, from its parameters to its score. Read this file first.

Every worker process calls `make_runner` once. The first worker's `prepare` trains the warm starts
that all trials of the study share; after that, every worker calls `run` for one trial after
another. A trial trains with its parameters and is scored at every rung. There the driver, which
runs in another process, decides whether the trial continues and, at the last rung, whether its
files are kept.
"""

import gc
from collections.abc import Generator
from contextlib import closing
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path

import torch
from torch import nn

from harness.config.settings import FINAL_TIMES, TrainSettings, TrialPlan
from harness.data.pairs.pair_set import PairSet, load_dataset
from harness.errors import SharedInputError, UserInputError, as_user_input_error
from harness.evaluation.evaluator import Evaluator
from harness.evaluation.panels import crop_png, panel_png
from harness.paths import StudyPaths, WarmStartPaths, replace_atomically, write_atomically
from harness.training.batches import Batches, batches, on_device
from harness.training.checkpoints import NetWeights, state_of
from harness.training.cuda_graph import CapturedStep, CapturedSteps, capturable, structure_of
from harness.training.feature_cache import target_features
from harness.training.inputs import inputs_for
from harness.training.loop import Progress, train
from harness.training.networks import build_discriminator, build_generator
from harness.training.perceptual import PerceptualLoss
from harness.training.step import Pix2Pix
from harness.training.warm_start import (
    WarmStart,
    from_user_model,
    make_warm_start,
    save_warm_starts,
)
from harness.trials.devices import measure_memory
from harness.trials.external.external_trial import train_with
from harness.trials.messages import (
    Answer,
    Pace,
    ProgressCallback,
    Report,
    Rung,
    TrialResult,
    TrialRunner,
    TrialTask,
)
from harness.trials.pace import measure_pace
from objectives.loading import load_objective
from objectives.score import UserObjectiveError
from reports.record.baseline import Baseline


class Trials:
    """Runs trials of one study in one process, and holds what they share.

    All trials of the search with the same kind of generator continue from the same warm start and
    train on the same batches in the same order, so they differ only in their parameters.
    """

    def __init__(self, plan: TrialPlan) -> None:
        self.plan = plan
        self.paths = StudyPaths(plan.folder)
        self.device = torch.device(plan.device)
        if self.device.type == "cuda":
            # Streams and graphs use the current device, not that of their tensors.
            torch.cuda.set_device(self.device)
        self.dataset = load_dataset(plan.dataset)
        with as_user_input_error(FileNotFoundError, ValueError):  # missing or damaged weights
            self.objective = load_objective(plan.objective, plan.weights, plan.device)
            self.perceptual = PerceptualLoss(
                plan.train.perceptual_layers, plan.weights, plan.train.perceptual_window
            ).to(self.device)
        self.targets = target_features(self.perceptual, self.dataset.train, plan.train, self.device)
        self.captured = CapturedSteps()
        self.warm_starts: dict[str, WarmStart] = {}

    def measure(self) -> Pace:
        """Time training steps and scoring on this worker, while the others do the same."""
        try:
            return measure_pace(
                self.plan.train,
                self.plan.generators,
                self.pairs,
                self.perceptual,
                self.targets,
                self.val,
            )
        finally:
            if self.device.type == "cuda":
                torch.cuda.empty_cache()

    def prepare(self, on_progress: ProgressCallback) -> Baseline:
        """Train the shared warm starts unless they exist; score them, the input and the oracle.

        Raises:
            UserInputError: `init_from` names a checkpoint that does not fit, or the user's own
                objective failed.
        """
        with as_user_input_error(UserObjectiveError):
            baseline = Baseline(
                noop=self.val.noop(),
                warm_start=None,
                oracle=self.val.oracle(),
                held_out_noop=self.test.noop() if len(self.dataset.test) else None,
            )
        if self.plan.warm_start == "none":
            return baseline
        if not self.paths.warm_start.folder.exists():
            torch.set_num_threads(self.plan.warm_start_threads)
            save_warm_starts(self.make_warm_starts(on_progress), self.paths.warm_start)
            torch.set_num_threads(self.plan.threads)
        scores = [self.score_warm_start(netG) for netG in self.plan.generators]
        names = ("warm_start", "other_warm_start")
        return baseline.model_copy(update=dict(zip(names, scores, strict=False)))

    def make_warm_starts(self, on_progress: ProgressCallback) -> list[WarmStart]:
        """Train one warm start per generator, the profile's first.

        `on_progress` gets the progress of all of them together.
        """
        count = len(self.plan.generators)

        def progress_of(index: int) -> ProgressCallback:
            return lambda done, total: on_progress(index * total + done, count * total)

        return [
            self.make_warm_start(netG, progress_of(index))
            for index, netG in enumerate(self.plan.generators)
        ]

    def make_warm_start(self, netG: str, on_progress: ProgressCallback) -> WarmStart:
        """Make a warm start from the user's model if `init_from` names one, else by training."""
        plan = self.plan
        torch.manual_seed(plan.seed)
        train = plan.train.updated({"netG": netG})
        arguments = (
            train,
            self.pairs,
            plan.discriminators,
            self.device,
            plan.seed,
            on_progress,
        )
        if plan.init_from:
            return from_user_model(plan.init_from, *arguments)
        return make_warm_start(*arguments)

    def score_warm_start(self, netG: str) -> float:
        """Score a warm start on the validation pairs, and write its panel."""
        generator = build_generator(self.plan.train.updated({"netG": netG}), self.plan.seed)
        generator.to(self.device).load_state_dict(self.warm_start(netG).generator)
        restored, score = self.val(generator)
        panel = self.paths.warm_start_panel(netG == self.plan.other_netG)
        write_atomically(panel, panel_png(self.val.reference, restored))
        return score.value

    @cached_property
    def pairs(self) -> PairSet:
        """The training pairs, on the device if they fit."""
        return on_device(self.dataset.train, self.device)

    @cached_property
    def val(self) -> Evaluator:
        """The evaluator on the validation pairs, for trials of the search."""
        return Evaluator(self.dataset.val, self.objective, self.device)

    @cached_property
    def test(self) -> Evaluator:
        """The evaluator on the held-out pairs, for runs of finalists."""
        return Evaluator(self.dataset.test, self.objective, self.device)

    def warm_start(self, netG: str) -> WarmStart:
        """The study's warm start of a generator, read once per worker and moved to its device.

        Raises:
            SharedInputError: one of its files is missing or damaged.
        """
        if netG not in self.warm_starts:
            self.warm_starts[netG] = self.read_warm_start(netG)
        return self.warm_starts[netG]

    def warm_start_paths(self, netG: str) -> WarmStartPaths:
        warm_start = self.paths.warm_start
        return warm_start.other_kind if netG == self.plan.other_netG else warm_start

    def read_warm_start(self, netG: str) -> WarmStart:
        paths = self.warm_start_paths(netG)
        try:
            return WarmStart.load(paths, self.plan.discriminators).to(self.device)
        except UserInputError as error:
            raise SharedInputError(
                f"The warm start in {self.paths.warm_start.folder} cannot be read: run the same "
                "command again, which recreates it if that gives the same scores."
            ) from error

    def run(self, task: TrialTask, report: Report) -> TrialResult | None:
        """Run one trial and measure its GPU memory; then evict captured steps if memory is low."""
        try:
            result, memory = measure_memory(self.plan.device, lambda: self.run_trial(task, report))
        finally:
            self.captured.make_room()
        if result is None or memory is None or self.plan.external is not None:
            return result  # an external program's memory is not measured
        peak = round(memory.peak * self.captured.growth())
        return replace(result, memory=replace(memory, peak=peak))

    def run_trial(self, task: TrialTask, report: Report) -> TrialResult | None:
        """Train with the task's parameters and score at every rung, which is passed to `report`.

        Returns None if `report` stops the trial. The weights are saved unless it answers that only
        the score is needed.
        """
        settings, evaluator, checkpoint = self.phase_setup(task)
        train_task = self.train_built_in if self.plan.external is None else self.train_external
        with closing(train_task(task, settings)) as rungs:
            for progress in rungs:
                restored, score = evaluator(progress.candidate)
                rung = Rung(
                    progress.step,
                    score.value,
                    score.components,
                    progress.losses,
                    crop=crop_png(evaluator.square, restored),
                    remark=self.remark(),
                )
                answer = report(rung)
                if not answer:
                    return None
        if answer == Answer.ONLY_SCORE:
            return TrialResult(rung, score.per_image, None)
        panel = panel_png(evaluator.reference, restored) if task.phase == "search" else b""
        if not isinstance(progress.candidate, nn.Module):
            return TrialResult(rung, score.per_image, None, panel=panel)
        with replace_atomically(checkpoint) as temporary:
            torch.save(state_of(progress.candidate), temporary)
        return TrialResult(rung, score.per_image, checkpoint, panel=panel)

    def remark(self) -> str:
        """Tells the user why steps cannot be captured here; "" if they can."""
        if not self.captured.refusal:
            return ""
        return (
            "Training steps cannot be captured as a CUDA graph here, so trials take longer: "
            f"{self.captured.refusal}"
        )

    def train_built_in(self, task: TrialTask, settings: TrainSettings) -> Generator[Progress]:
        """Train with this program's own training loop."""
        targets = self.targets if task.params.lambda_perceptual > 0 else None
        stream = batches(self.pairs, settings, self.device, task.seed, targets)
        model = self.model(task, settings, stream)
        torch.manual_seed(task.seed)
        yield from train(model, stream, settings)

    def model(
        self, task: TrialTask, settings: TrainSettings, stream: Batches
    ) -> Pix2Pix | CapturedStep:
        """The networks and optimisers; on a GPU, with the step captured in a CUDA graph."""

        def start() -> Pix2Pix:
            return Pix2Pix.start(*self.networks(task), task.params, settings, self.perceptual)

        if not capturable(settings, self.device):
            return start()
        structure = structure_of(task.params, task.extras)
        inputs = partial(inputs_for, stream)
        return self.captured.start_trial(structure, start, inputs, self.weights(task), task.params)

    def train_external(self, task: TrialTask, settings: TrainSettings) -> Generator[Progress]:
        """Train with the user's own program, from the shared warm start if there is one."""
        assert self.plan.external is not None
        shared = self.plan.warm_start == "shared"
        yield from train_with(
            self.plan.external,
            task,
            settings,
            self.dataset,
            self.paths,
            self.plan.device,
            self.warm_start_paths(settings.netG) if shared else None,
        )

    def networks(self, task: TrialTask) -> tuple[nn.Module, nn.Module]:
        """The trial's networks before training: the warm start's, or initialised by its seed."""
        settings, n_layers = self.plan.train.updated(task.extras), task.params.n_layers_D
        nets = (
            build_generator(settings, task.seed).to(self.device),
            build_discriminator(settings, n_layers, task.seed).to(self.device),
        )
        if self.plan.warm_start == "shared":
            for net, weights in zip(nets, self.weights(task), strict=True):
                net.load_state_dict(weights)
        return nets

    def weights(self, task: TrialTask) -> tuple[NetWeights, NetWeights]:
        """The initial weights of the generator and the discriminator."""
        if self.plan.warm_start == "shared":
            key = (task.params.n_layers_D, task.params.gan_mode)
            warm_start = self.warm_start(str(task.extras.get("netG", self.plan.train.netG)))
            return warm_start.generator, warm_start.discriminators[key]
        generator, discriminator = self.networks(task)
        return state_of(generator), state_of(discriminator)

    def phase_setup(self, task: TrialTask) -> tuple[TrainSettings, Evaluator, Path]:
        """The training settings, the evaluator and the checkpoint file of a task's phase."""
        settings = self.plan.train.updated(task.extras)
        if task.phase == "search":
            return settings, self.val, self.paths.checkpoint(task.number)
        return settings.longer(FINAL_TIMES), self.test, self.paths.final_checkpoint(task.number)


def make_runner(plan: TrialPlan) -> TrialRunner:
    """Create a worker's runner and configure its process for trials; called once per process."""
    torch.set_num_threads(plan.threads)
    torch.set_flush_denormal(True)
    trials = Trials(plan)
    # Objects created so far live as long as the process, so the collector need not scan them.
    gc.collect()
    gc.freeze()
    return trials
