"""Console output of a full training: events, rendered as a live view or plain lines."""

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TextIO

from harness.console.lines import rough_duration, sparkline, wrapped
from harness.errors import printable
from reports.texts.numbers import number, quantity


@dataclass(frozen=True)
class TrainingBegan:
    """A training starts or is resumed. `lines`: its description."""

    lines: tuple[str, ...]
    epochs: int


@dataclass(frozen=True)
class StageBegan:
    """A stage starts, or is resumed after `done` epochs.

    Attributes:
        number: of this stage, from 1.
        stages: how many there are.
        size: side of the pictures in pixels.
        noop: the score of the unchanged input.
    """

    number: int
    stages: int
    size: int
    done: int
    epochs: int
    noop: float


@dataclass(frozen=True)
class EpochEnded:
    """An epoch has ended. `done`: epochs done so far, in all stages."""

    done: int
    epoch: int
    lr: float
    losses: Mapping[str, float]


@dataclass(frozen=True)
class Scored:
    """The generator was scored on the validation pairs, and on some training pairs."""

    epoch: int
    score: float
    train_score: float | None
    best: bool


@dataclass(frozen=True)
class Remark:
    """One sentence for the user."""

    text: str


Event = TrainingBegan | StageBegan | EpochEnded | Scored | Remark


class TrainingView(Protocol):
    """Renders events until it is closed."""

    def show(self, event: Event) -> None: ...

    def close(self) -> None:
        return None


def make_training_view() -> TrainingView:
    """A live view in a terminal, plain lines elsewhere."""
    return LiveTrainingView() if sys.stdout.isatty() else PlainTrainingView(sys.stdout)


class PlainTrainingView(TrainingView):
    """One line per score, for files, pipes and logs.

    Args:
        clock: a monotonic clock, in seconds.
    """

    def __init__(self, out: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self.out = out
        self.clock = clock
        self.last: EpochEnded | None = None
        self.stage: StageBegan | None = None
        self.began = 0.0

    def show(self, event: Event) -> None:
        if isinstance(event, EpochEnded):
            self.last = event
            return
        if isinstance(event, StageBegan):
            self.stage, self.began = event, self.clock()
        for line in lines_of(event, self.last, self.left(event)):
            print(wrapped(printable(line), "  "), file=self.out, flush=True)

    def left(self, event: Event) -> str:
        """The time until the end of the stage, at the pace of its epochs so far; "" if unknown."""
        if not isinstance(event, Scored) or self.stage is None or event.epoch == self.stage.epochs:
            return ""
        pace = (self.clock() - self.began) / (event.epoch - self.stage.done)
        seconds = pace * (self.stage.epochs - event.epoch)
        of_stage = " of this stage" if self.stage.stages > 1 else ""
        return f"  {rough_duration(seconds)}{of_stage} left"


class LiveTrainingView:
    """A line at the bottom of the terminal that shows the state of the training."""

    def __init__(self) -> None:
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        self.progress = Progress(
            BarColumn(30),
            MofNCompleteColumn(),
            TextColumn("epochs,"),
            TimeRemainingColumn(),
            TextColumn("left  {task.description}", markup=False),
            transient=True,
        )
        self.task = self.progress.add_task("", total=None)
        self.last: EpochEnded | None = None
        self.scores: list[float] = []

    def show(self, event: Event) -> None:
        match event:
            case TrainingBegan():
                self.progress.update(self.task, total=event.epochs)
                self.progress.start()
            case StageBegan():
                # The pace of another stage, or of an earlier run, says nothing about this one.
                done = self.progress.tasks[self.task].completed + event.done
                self.progress.reset(self.task, completed=int(done))
                self.scores = []
            case EpochEnded():
                self.last = event
                text = f"{losses_line(event)}  {sparkline(self.scores)}"
                self.progress.update(self.task, completed=event.done, description=text)
            case Scored():
                self.scores.append(event.score)
        for line in lines_of(event, self.last):
            self.progress.console.print(printable(line), highlight=False, markup=False)

    def close(self) -> None:
        self.progress.stop()


def lines_of(event: Event, last: EpochEnded | None, left: str = "") -> list[str]:
    """The lines to print for an event; none for events that are too frequent for a log.

    Args:
        last: the last epoch, whose L1 loss stands beside a score; history.csv has the others.
        left: the time left, for the end of that line.
    """
    match event:
        case TrainingBegan():
            return list(event.lines)
        case StageBegan():
            stage = f"Stage {event.number} of {event.stages}: " if event.stages > 1 else ""
            done = f", {event.done} of them done" if event.done else ""
            return [
                f"{stage}{quantity(event.epochs, 'epoch')} at {event.size} px{done}. "
                f"The input unchanged (no-op) scores {number(event.noop)}."
            ]
        case Scored():
            score = number(event.score)
            if event.train_score is not None:
                score += f" (on training pairs {number(event.train_score)})"
            mark = "  <- best so far" if event.best else ""
            loss = f"  G_L1 {last.losses['G_L1']:.3g}" if last else ""
            return [f"epoch {event.epoch:>4}  score {score}{loss}{left}{mark}"]
        case Remark():
            return [event.text]
    return []


def losses_line(event: EpochEnded) -> str:
    losses = " ".join(f"{name} {value:.3g}" for name, value in event.losses.items())
    return f"{losses}  lr {event.lr:.2g}"
