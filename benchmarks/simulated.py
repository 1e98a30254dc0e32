"""A search without training: workers that answer at once.

Everything on the driver's side is real.
"""

import io
import math
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from harness.config.profiles import QUICK
from harness.config.settings import SearchConfig
from harness.console.events import Event, TrialEnded
from harness.console.views import View
from harness.search.plan import SearchPlan, plan_search
from harness.trials.messages import Answer, Baseline, Pace, Rung, TrialResult, TrialTask
from harness.trials.worker import Measure, Message, Prepare, Ready, Stopped
from search_spaces.trial_params import TrialParams

COMPONENTS = ("D", "E", "Lrel", "blur_2", "blur_4", "blur_8", "inside", "outside")
LOSSES = ("G_GAN", "G_L1", "G_Perceptual", "D_real", "D_fake")


def make_plan(folder: Path, jobs: int, budget: int) -> SearchPlan:
    """A plan of the quick profile, without finalists."""
    return plan_search(
        SearchConfig(
            run_dir=folder,
            study="simulated",
            profile="quick",
            device="cpu",
            weights="random",
            jobs=jobs,
            budget=budget,
            finalists=0,
        )
    )


def quality(params: TrialParams, step: int) -> float:
    """A synthetic score with noise, best at lambda_L1 60 and lr 2e-4."""
    far = math.log(params.lambda_L1 / 60) ** 2 + math.log(params.lr / 2e-4) ** 2
    noise = random.Random(f"{params}{step}").gauss(0, 0.01)
    return 0.2 + 0.2 * math.exp(-0.3 * far) * step / QUICK.steps + noise


def picture() -> bytes:
    """A PNG as large as those that a quick trial sends to MLflow: an enlarged crop of 80 px."""
    noise = np.random.default_rng(0).integers(0, 255, (80, 80, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).resize((480, 480), Image.Resampling.NEAREST).save(buffer, format="PNG")
    return buffer.getvalue()


class SimulatedLauncher:
    """Workers that answer at once, in this process.

    Args:
        panel: the picture of every rung; empty for none.
    """

    def __init__(self, folder: Path, panel: bytes) -> None:
        self.folder = folder
        self.panel = panel
        self.running: dict[int, tuple[TrialTask, int]] = {}
        self.messages: dict[int, list[Message]] = {}

    def start(self, number: int) -> None:
        self.messages[number] = [Ready()]

    def send(self, number: int, order: TrialTask | Measure | Prepare | Answer) -> None:
        messages = self.messages.setdefault(number, [])
        match order:
            case Measure():
                messages.append(Pace())
            case Prepare():
                messages.append(Baseline(noop=0.26, warm_start=0.2))
            case TrialTask():
                self.running[number] = order, 0
                messages.append(self.rung(order, 0))
            case Answer.STOP:
                messages.append(Stopped())
            case Answer():
                task, rung = self.running[number]
                self.running[number] = task, rung + 1
                messages.append(self.rung(task, rung + 1, order))

    def rung(
        self, task: TrialTask, index: int, answer: Answer = Answer.GO_ON
    ) -> Rung | TrialResult:
        """The rung of that index; after the last, the end."""
        step = QUICK.rungs[min(index, len(QUICK.rungs) - 1)]
        value = quality(task.params, step)
        rung = Rung(
            step,
            value,
            dict.fromkeys(COMPONENTS, value),
            dict.fromkeys(LOSSES, 1 / step),
            self.panel,
        )
        if index < len(QUICK.rungs):
            return rung
        per_image = tuple({"name": f"p{number}.png", "score": value} for number in range(12))
        checkpoint = self.folder / "checkpoints" / f"t{task.number:03d}_net_G.pth"
        return TrialResult(rung, per_image, None if answer == Answer.ONLY_SCORE else checkpoint)

    def wait(self, timeout: float) -> list[tuple[int, Message]]:
        return [(number, self.next_of(number)) for number in sorted(self.messages)]

    def next_of(self, number: int) -> Message:
        """A worker's next message."""
        messages = self.messages[number]
        message = messages.pop(0)
        if not messages:
            del self.messages[number]
        return message

    def kill(self, number: int) -> None:
        self.messages.pop(number, None)

    def close(self) -> None:
        self.messages.clear()


class Clock(View):
    """Calls back at every trial's end."""

    def __init__(self, ended: Callable[[int], None]) -> None:
        self.ended = ended
        self.count = 0

    def show(self, event: Event) -> None:
        if isinstance(event, TrialEnded):
            self.count += 1
            self.ended(self.count)

    def close(self) -> None:
        pass
