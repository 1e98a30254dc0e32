"""Console output of a full training: events, rendered as a live view or plain lines."""

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TextIO

from harness.console.lines import rough, sparkline, wrapped
from harness.console.live_view import live_lines
from harness.errors import printable

if TYPE_CHECKING:
    from rich.console import Console, RenderableType


@dataclass(frozen=True)
class TrainingBegan:
    """A training starts or is resumed. `lines`: its description."""

    lines: tuple[str, ...]
    epochs: int


@dataclass(frozen=True)
class StageBegan:
    """A stage starts, or is resumed after `done` epochs; `noop`: score of the input unchanged."""

    number: int
    of: int
    size: int
    done: int
    epochs: int
    noop: float


@dataclass(frozen=True)
class EpochEnded:
    """An epoch has ended. `done`: epochs of all stages so far."""

    done: int
    epoch: int
    lr: float
    losses: Mapping[str, float]


@dataclass(frozen=True)
class Checked:
    """The generator was scored on the validation pairs, and on some training pairs."""

    epoch: int
    score: float
    train_score: float | None
    best: bool


@dataclass(frozen=True)
class Remark:
    """One sentence for the user."""

    text: str


Event = TrainingBegan | StageBegan | EpochEnded | Checked | Remark


class TrainingView(Protocol):
    """Renders events until it is closed."""

    def show(self, event: Event) -> None: ...

    def close(self) -> None: ...


def make_training_view() -> TrainingView:
    """A live view in a terminal, plain lines elsewhere."""
    return LiveTrainingView() if sys.stdout.isatty() else PlainTrainingView(sys.stdout)


class PlainTrainingView:
    """One line per score, for files, pipes and logs."""

    def __init__(self, out: TextIO) -> None:
        self.out = out
        self.last: EpochEnded | None = None

    def show(self, event: Event) -> None:
        if isinstance(event, EpochEnded):
            self.last = event
            return
        for line in lines_of(event, self.last):
            print(wrapped(printable(line), "  "), file=self.out, flush=True)

    def close(self) -> None:
        pass


@dataclass
class LiveState:
    """The state that the live view displays. `done_before`: `done` when the stage started."""

    epochs: int = 1
    done: int = 0
    done_before: int = 0
    last: EpochEnded | None = None
    best: Checked | None = None
    scores: list[float] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)


class LiveTrainingView:
    """A few lines at the bottom of the terminal that show the state of the training."""

    def __init__(self, console: "Console | None" = None) -> None:
        self.now = LiveState()
        self.live = live_lines(self.render, console)
        self.console = self.live.console

    def show(self, event: Event) -> None:
        now = self.now
        match event:
            case TrainingBegan():
                now.epochs = event.epochs
                self.live.start()
            case StageBegan():
                now.done_before = now.done = now.done + event.done
                now.began = time.monotonic()
                now.best, now.scores = None, []
            case EpochEnded():
                now.last, now.done = event, event.done
            case Checked():
                now.scores.append(event.score)
                now.best = event if event.best else now.best
        for line in lines_of(event, now.last):
            self.console.print(printable(line), highlight=False, markup=False)

    def render(self) -> "RenderableType":
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        now = self.now
        bar = Table.grid(padding=(0, 1))
        text = Text(f"{now.done}/{now.epochs} epochs{self.time_left()}")
        bar.add_row(ProgressBar(total=now.epochs, completed=now.done, width=30), text)
        lines: list[RenderableType] = [bar]
        if now.last is not None:
            lines.append(Text(f"{losses_line(now.last)}  {sparkline(now.scores)}".rstrip()))
        if now.best is not None:
            lines.append(Text(f"best {now.best.score:.4f} at epoch {now.best.epoch}"))
        return Group(*lines)

    def time_left(self) -> str:
        """The remaining time, from the epochs of this stage; "" before the first has ended."""
        done = self.now.done - self.now.done_before
        if done <= 0 or self.now.done >= self.now.epochs:
            return ""
        pace = (time.monotonic() - self.now.began) / done
        return f", about {rough(pace * (self.now.epochs - self.now.done))} left"

    def close(self) -> None:
        self.live.stop()


def lines_of(event: Event, last: EpochEnded | None) -> list[str]:
    """The lines of an event; none for events that are too frequent for a log."""
    match event:
        case TrainingBegan():
            return list(event.lines)
        case StageBegan():
            stage = f"Stage {event.number} of {event.of}: " if event.of > 1 else ""
            done = f", {event.done} of them done" if event.done else ""
            return [
                f"{stage}{event.epochs} epochs at {event.size} px{done}. "
                f"The input unchanged (no-op) scores {event.noop:.4f}."
            ]
        case Checked():
            train_score = (
                "" if event.train_score is None else f" (on training pairs {event.train_score:.4f})"
            )
            mark = "  <- best so far" if event.best else ""
            losses = f"  {losses_line(last)}" if last else ""
            return [f"epoch {event.epoch:>4}  score {event.score:.4f}{train_score}{losses}{mark}"]
        case Remark():
            return [event.text]
    return []


def losses_line(event: EpochEnded) -> str:
    losses = " ".join(f"{name} {value:.3g}" for name, value in event.losses.items())
    return f"{losses}  lr {event.lr:.2g}"
