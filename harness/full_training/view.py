"""What the terminal shows of a full training: events in, a live view or plain lines out."""

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TextIO

from harness.console.lines import duration, sparkline
from harness.console.views import live_lines
from harness.errors import printable

if TYPE_CHECKING:
    from rich.console import Console, RenderableType


@dataclass(frozen=True)
class TrainingBegan:
    """A training begins or goes on. `lines` say what it is."""

    lines: tuple[str, ...]
    epochs: int


@dataclass(frozen=True)
class StageBegan:
    """A stage begins or goes on after `done` of its epochs; `noop`: the input's own score."""

    number: int
    of: int
    size: int
    done: int
    epochs: int
    noop: float


@dataclass(frozen=True)
class EpochEnded:
    """`done` counts over all stages."""

    done: int
    epoch: int
    lr: float
    losses: Mapping[str, float]


@dataclass(frozen=True)
class Checked:
    """The generator was scored on the validation pairs, and on some that it is trained on."""

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
    """Shows events until it is closed."""

    def show(self, event: Event) -> None: ...

    def close(self) -> None: ...


def make_training_view() -> TrainingView:
    """A live view in a terminal, plain lines elsewhere."""
    return LiveTrainingView() if sys.stdout.isatty() else PlainTrainingView(sys.stdout)


class PlainTrainingView:
    """One line a score: for files, pipes and logs."""

    def __init__(self, out: TextIO) -> None:
        self.out = out
        self.last: EpochEnded | None = None

    def show(self, event: Event) -> None:
        if isinstance(event, EpochEnded):
            self.last = event
            return
        for line in said(event, self.last):
            print(printable(line), file=self.out, flush=True)

    def close(self) -> None:
        pass


@dataclass
class Shown:
    """What the live view knows by now."""

    epochs: int = 1
    done: int = 0
    begun_at: int = 0
    last: EpochEnded | None = None
    best: Checked | None = None
    scores: list[float] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)


class LiveTrainingView:
    """A few lines at the bottom of the terminal that keep up with the training."""

    def __init__(self, console: "Console | None" = None) -> None:
        self.now = Shown()
        self.live = live_lines(self.render, console)
        self.console = self.live.console

    def show(self, event: Event) -> None:
        now = self.now
        match event:
            case TrainingBegan():
                now.epochs = event.epochs
                self.live.start()
            case StageBegan():
                now.begun_at = now.done = now.done + event.done
                now.began = time.monotonic()
                now.best, now.scores = None, []
            case EpochEnded():
                now.last, now.done = event, event.done
            case Checked():
                now.scores.append(event.score)
                now.best = event if event.best else now.best
        for line in said(event, now.last):
            self.console.print(printable(line), highlight=False, markup=False)

    def render(self) -> "RenderableType":
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        now = self.now
        bar = Table.grid(padding=(0, 1))
        left = Text(f"{now.done}/{now.epochs} epochs{self.time_left()}")
        bar.add_row(ProgressBar(total=now.epochs, completed=now.done, width=30), left)
        lines: list[RenderableType] = [bar]
        if now.last is not None:
            lines.append(Text(f"{losses_line(now.last)}  {sparkline(now.scores)}".rstrip()))
        if now.best is not None:
            lines.append(Text(f"best {now.best.score:.4f} at epoch {now.best.epoch}"))
        return Group(*lines)

    def time_left(self) -> str:
        """From the pace of this stage, once there is one."""
        done = self.now.done - self.now.begun_at
        if done <= 0 or self.now.done >= self.now.epochs:
            return ""
        pace = (time.monotonic() - self.now.began) / done
        return f", about {duration(pace * (self.now.epochs - self.now.done))} left"

    def close(self) -> None:
        self.live.stop()


def said(event: Event, last: EpochEnded | None) -> list[str]:
    """What an event says in lines; nothing for those that come too often."""
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
            seen = (
                "" if event.train_score is None else f" (on training pairs {event.train_score:.4f})"
            )
            mark = "  <- best so far" if event.best else ""
            losses = f"  {losses_line(last)}" if last else ""
            return [f"epoch {event.epoch:>4}  score {event.score:.4f}{seen}{losses}{mark}"]
        case Remark():
            return [event.text]
    return []


def losses_line(event: EpochEnded) -> str:
    losses = " ".join(f"{name} {value:.3g}" for name, value in event.losses.items())
    return f"{losses}  lr {event.lr:.2g}"
