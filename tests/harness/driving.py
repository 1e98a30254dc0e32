"""Searches without training: a plan, and runners that answer at once. For tests of the driver.

What a runner does is a function of the trial's number and parameters alone.
"""

import json
import math
import os
import signal
import time
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.config.settings import SearchConfig, TrainSettings, TrialPlan
from harness.errors import DivergedError, UserInputError
from harness.paths import RunPaths, StudyPaths
from harness.search.plan import SearchPlan
from harness.search.resolve import (
    choose_earlier,
    choose_generators,
    choose_recipes,
    other_generator,
)
from harness.study.constraints import MARGINS
from harness.study.pareto import OBJECTIVES
from harness.trials.messages import (
    Answer,
    Baseline,
    Pace,
    ProgressCallback,
    Report,
    Rung,
    TrialResult,
    TrialTask,
)
from reports.record.study import StudySetup
from search_spaces.space import load_space
from search_spaces.trial_params import TrialParams

TRAIN = TrainSettings(
    netG="unet_128",
    ngf=12,
    ndf=4,
    preprocess="none",
    load_size=128,
    crop_size=128,
    steps=30,
    rungs=(10, 20, 30),
    ema_decay=0.0,
    perceptual_layers=("relu1_1",),
    perceptual_window=None,
    warm_start_steps=4,
    warm_discriminator_steps=2,
)


def make_plan(folder: Path, jobs: int = 1, both: bool = False, **settings: Any) -> SearchPlan:
    """A plan as `plan_search` makes it, of pairs that nobody reads.

    Args:
        both: of both kinds of generator, as the default space is; else of the one that repaints.
    """
    config = SearchConfig(**{"run_dir": folder, "study": "fake", "jobs": jobs, **settings})
    space = load_space(config.space, config.pinned)
    if not both:
        space = space.without("generator")
    train = TRAIN.updated(space.pinned)
    space, train, _ = choose_generators(config, space, train, None)
    recipes, left_out = choose_recipes(space, train)
    paths_folder = RunPaths(folder.absolute()).study(config.study).folder
    return SearchPlan(
        config=config,
        space=space,
        recipes=recipes,
        earlier=choose_earlier(config.enqueue, space, train),
        remarks=left_out,
        setup=StudySetup.model_validate(
            {
                "name": config.study,
                "direction": "maximize",
                "worst_score": 0.0,
                "objective": config.objective,
                "objectives": OBJECTIVES if config.pareto else None,
                "guards": MARGINS,
                "space": space.text,
                "space_name": space.name,
                "profile": "quick",
                "train": train.model_dump(mode="json"),
                "pinned": space.pinned,
                "data": {
                    "digest": "d" * 64,
                    "source": "nothing",
                    "folder": None,
                    "direction": "AtoB",
                    "n_train": 8,
                    "n_val": 2,
                    "n_test": 2,
                },
                "weights": "random",
                "seed": config.seed,
                "sampler": config.sampler,
                "pruner": config.pruner,
                "device": "cpu",
                "versions": {"python": "3", "harness": "0"},
                "warm_start": "shared",
                "warm_start_folder": None,
                "init_from": [],
                "trainer": config.trainer,
                "program": None,
                "repository": None,
                "budget": config.budget,
                "created": "2026-01-01T00:00:00+00:00",
                "host": "here",
            }
        ),
        trial_plan=TrialPlan(
            dataset=folder / "none.pt",
            folder=paths_folder,
            train=train,
            other_netG=other_generator(space, train),
            weights="random",
            device="cpu",
            threads=1,
            warm_start_threads=1,
            discriminators=space.discriminators,
            seed=config.seed,
        ),
        jobs=jobs,
        finalists=0 if config.finalists == "auto" else config.finalists,
        most_jobs=jobs,
        devices=("cpu",),
    )


def with_setup(plan: SearchPlan, **changes: Any) -> SearchPlan:
    """The plan of a study whose setup differs in this; of a part, such as `train`, in entries."""
    setup = plan.setup.as_data()
    for key, value in changes.items():
        part = isinstance(setup[key], dict)
        setup[key] = setup[key] | value if part else value
    return replace(plan, setup=StudySetup.model_validate(setup))


def quality(params: TrialParams) -> float:
    """A smooth stand-in for a score: best at lambda_L1 60, lr 2e-4."""
    far = math.log(params.lambda_L1 / 60) ** 2 + math.log(params.lr / 2e-4) ** 2
    return 0.5 * math.exp(-0.3 * far) + 0.01 * params.n_layers_D


class Instant:
    """Trials that take no time and end well."""

    def __init__(self, plan: TrialPlan) -> None:
        self.plan = plan

    def prepare(self, on_progress: ProgressCallback) -> Baseline:
        for done in range(1, 7):
            on_progress(done, 6)
        return Baseline(noop=0.2, warm_start=0.22, oracle=0.9, held_out_noop=0.21)

    def measure(self) -> Pace:
        return Pace(dict.fromkeys(self.plan.generators, 0.1), 0.01)

    def run(self, task: TrialTask, report: Report) -> TrialResult | None:
        if task.phase == "final":
            return self.run_final(task, report)
        note_run(self.plan, task)
        for step in self.plan.train.rungs:
            rung = self.rung(task, step)
            answer = report(rung)
            if not answer:
                return None
        images = ({"name": "p0", "score": rung.value},)
        if answer == Answer.ONLY_SCORE:
            return TrialResult(rung, images, None)
        checkpoint = self.plan.folder / "checkpoints" / f"t{task.number:03d}_net_G.pth"
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
        checkpoint.write_bytes(b"weights")
        return TrialResult(rung, images, checkpoint, panel=PIXEL)

    def run_final(self, task: TrialTask, report: Report) -> TrialResult:
        """Two held-out pictures, each a little luckier with some seeds than with others."""
        note_run(self.plan, task, "finals.txt")
        rung = self.rung(task, self.plan.train.steps)
        assert report(rung)
        luck = (task.seed % 7 - 3) * 1e-4
        scores = [rung.value + luck, rung.value + 0.02 + 2 * luck]
        checkpoint = StudyPaths(self.plan.folder).final_checkpoint(task.number)
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
        checkpoint.write_text(f"of {task.name}, seed {task.seed}")
        images = tuple({"name": f"p{n}", "score": score} for n, score in enumerate(scores))
        return TrialResult(rung, images, checkpoint)

    def rung(self, task: TrialTask, step: int) -> Rung:
        value = quality(task.params) * step / self.plan.train.steps
        losses = {"G_L1": 1 / step, "G_GAN": 0.7}
        return Rung(step, value, {"D": 1 - value, "E": 0.1}, losses, PIXEL)


PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360606060000000050001a5f64540"
    "0000000049454e44ae426082"
)


def note_run(plan: TrialPlan, task: TrialTask, name: str = "ran.txt") -> None:
    """One line a run begun, so that tests see what was really run, and how often."""
    plan.folder.mkdir(parents=True, exist_ok=True)
    with (plan.folder / name).open("a") as file:
        file.write(f"{task.number} {json.dumps(task.settings)}\n")


class Faulty(Instant):
    """Trials that misbehave by their number: see `FAULTS`."""

    def run(self, task: TrialTask, report: Report) -> TrialResult | None:
        fault = FAULTS.get(task.number)
        if fault == "raises":
            raise ValueError("the picture p7.png is damaged\nand more")
        if fault == "diverges":
            report(self.rung(task, 10))
            raise DivergedError("G_GAN is nan at step 17")
        if fault == "nan":
            report(Rung(10, math.nan, {}, {}))
            return None
        if fault == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if fault == "killed once" and runs_of(self.plan.folder, task.number) == 0:
            note_run(self.plan, task)
            report(self.rung(task, 10))
            os.kill(os.getpid(), signal.SIGKILL)
        if fault == "segfaults":
            import ctypes

            ctypes.string_at(0)
        if fault == "memory":
            note_run(self.plan, task)
            raise MemoryError("16 GiB")
        if fault == "memory once" and runs_of(self.plan.folder, task.number) == 0:
            note_run(self.plan, task)
            raise MemoryError("16 GiB")
        if fault == "sleeps":
            time.sleep(1000)
        if fault == "prints":
            block = "x" * (1 << 20)
            for _ in range(200):
                print(block, flush=True)
        return super().run(task, report)


FAULTS = {
    9: "raises",
    10: "diverges",
    11: "nan",
    12: "killed",
    13: "killed once",
    14: "segfaults",
    15: "memory",
    16: "memory once",
    17: "sleeps",
    18: "prints",
}


class Failing(Instant):
    """Every trial fails."""

    def run(self, task: TrialTask, report: Report) -> TrialResult | None:
        raise RuntimeError("nothing works" if task.number % 3 else "hardly anything works")


class Refusing(Instant):
    """The preparation finds that the user's model does not fit."""

    def prepare(self, on_progress: ProgressCallback) -> Baseline:
        raise UserInputError("model.pth does not fit")


class Unmakeable(Instant):
    """The process ends before its runner stands."""

    def __init__(self, plan: TrialPlan) -> None:
        os._exit(7)


class Warm(Instant):
    """Makes a warm start where there is none, as the real runner does; trials read it.

    Its files are archives with checksums, as those of torch are, whose import takes seconds.
    """

    SCORE = 0.22

    def prepare(self, on_progress: ProgressCallback) -> Baseline:
        warm = StudyPaths(self.plan.folder).warm_start
        if not warm.folder.exists():
            warm.folder.mkdir(parents=True)
            kinds = self.plan.discriminators
            folders = [warm, warm.other_kind] if self.plan.other_netG else [warm]
            files = [one.generator for one in folders]
            for file in (*files, *(one.discriminator(*kind) for one in folders for kind in kinds)):
                with zipfile.ZipFile(file, "w") as archive:
                    archive.writestr(zipfile.ZipInfo("data"), WEIGHTS)
        return Baseline(noop=0.2, warm_start=self.SCORE, oracle=0.9, held_out_noop=0.21)

    def run(self, task: TrialTask, report: Report) -> TrialResult | None:
        for file in StudyPaths(self.plan.folder).warm_start.folder.iterdir():
            assert zipfile.ZipFile(file).read("data") == WEIGHTS
        return super().run(task, report)


WEIGHTS = bytes(range(256))


class Slow(Instant):
    """Trials of some tenths of a second."""

    def run(self, task: TrialTask, report: Report) -> TrialResult | None:
        def slowly(rung: Rung) -> bool:
            time.sleep(0.05)
            return report(rung)

        return super().run(task, slowly)


def runs_of(folder: Path, number: int) -> int:
    """How often a trial was begun."""
    file = folder / "ran.txt"
    lines = file.read_text().splitlines() if file.exists() else []
    return sum(line.startswith(f"{number} ") for line in lines)
