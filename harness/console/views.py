"""Views of a search's events: a live display, plain lines, JSON lines, or nothing."""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Protocol, TextIO

from harness.console.events import (
    Event,
    Note,
    Opened,
    Prepared,
    RungReached,
    TrialBegan,
    TrialEnded,
    WarmStart,
)
from harness.console.lines import (
    at_rung,
    baseline,
    duration,
    ended,
    leading,
    opening,
    sparkline,
)
from harness.errors import printable

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live


class View(Protocol):
    """Renders events until it is closed."""

    def show(self, event: Event) -> None: ...

    def close(self) -> None: ...


def make_view(quiet: bool, as_json: bool) -> View:
    """The view for this terminal: `--json` lines, nothing, a live view, or plain lines."""
    if as_json:
        return JsonView(sys.stdout)
    if quiet:
        return QuietView()
    if sys.stdout.isatty():
        return LiveView()
    return PlainView(sys.stdout)


class QuietView:
    """Prints nothing."""

    def show(self, event: Event) -> None:
        pass

    def close(self) -> None:
        pass


class JsonView:
    """One JSON object per line, for programs: the event's name and its fields."""

    def __init__(self, out: TextIO) -> None:
        self.out = out

    def show(self, event: Event) -> None:
        fields = {"event": type(event).__name__, **asdict(event)}
        print(json.dumps(fields, ensure_ascii=False), file=self.out, flush=True)

    def close(self) -> None:
        pass


class PlainView:
    """One line per trial, for files, pipes and logs."""

    def __init__(self, out: TextIO) -> None:
        self.out = out
        self.budget = 0
        self.tenth = 0

    def show(self, event: Event) -> None:
        line = self.line(event)
        if line:
            print(printable(line), file=self.out, flush=True)

    def line(self, event: Event) -> str:
        """The text of an event; "" for events that are too frequent for a log."""
        match event:
            case Opened():
                self.budget = event.budget
                return opening(event)
            case Note():
                return event.text
            case WarmStart() if event.total and 10 * event.done // event.total > self.tenth:
                self.tenth = 10 * event.done // event.total
                return f"warm start: {event.done} of {event.total} steps"
            case Prepared():
                return baseline(event)
            case TrialEnded():
                return ended(event, self.budget)
        return ""

    def close(self) -> None:
        pass


@dataclass
class LiveState:
    """The state that the live view displays."""

    opened: Opened | None = None
    warm_start: WarmStart | None = None
    prepared: Prepared | None = None
    running: dict[str, RungReached | None] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    best: str = ""
    history: list[float] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)
    done: int = 0


def live_lines(render: "Callable[[], RenderableType]", console: "Console | None") -> "Live":
    """Lines at the bottom of a terminal, redrawn four times a second after their start."""
    from rich.console import Console
    from rich.live import Live

    return Live(
        console=console or Console(), get_renderable=render, refresh_per_second=4, transient=True
    )


class LiveView:
    """A few lines at the bottom of the terminal that show the state of the search."""

    def __init__(self, console: "Console | None" = None) -> None:
        self.now = LiveState()
        self.live = live_lines(self.render, console)
        self.console = self.live.console

    def show(self, event: Event) -> None:
        now = self.now
        match event:
            case Opened():
                now.opened, now.done = event, event.done
                now.best, now.history = event.best, list(event.scores)
                self.console.print(printable(opening(event)), markup=False, highlight=False)
                self.live.start()
            case Note():
                self.console.print(printable(event.text), markup=False, highlight=False)
            case WarmStart():
                now.warm_start = event
            case Prepared():
                now.prepared, now.warm_start, now.began = event, None, time.monotonic()
                self.console.print(baseline(event), markup=False, highlight=False)
            case TrialBegan():
                now.running[event.name] = None
            case RungReached():
                now.running[event.name] = event
            case TrialEnded():
                self.ended(event)

    def ended(self, event: TrialEnded) -> None:
        now = self.now
        now.running.pop(event.name, None)
        now.counts[event.state] = now.counts.get(event.state, 0) + 1
        now.done = event.done
        if event.best and event.value is not None:
            now.best = leading(event.value, event.name, event.params)
        if event.state == "complete" and event.value is not None:
            now.history.append(event.value)
        if event.state in ("complete", "failed"):
            budget = now.opened.budget if now.opened else 0
            line = printable(ended(event, budget))
            self.console.print(line, markup=False, highlight=False)

    def render(self) -> "RenderableType":
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        now = self.now
        if now.warm_start is not None:
            done, total = now.warm_start.done, max(1, now.warm_start.total)
            text = f"warm start {done}/{total} steps"
        else:
            total = now.opened.budget if now.opened else 1
            done = min(total, now.done)
            text = f"{done}/{total} trials{self.time_left(done, total)}"
        bar = Table.grid(padding=(0, 1))
        bar.add_row(ProgressBar(total=total, completed=done, width=30), Text(text))
        counts = ", ".join(f"{count} {state}" for state, count in sorted(now.counts.items()))
        lines: list[RenderableType] = [bar, Text(f"{counts}  {sparkline(now.history)}".strip())]
        if now.best:
            lines.append(Text(f"best {now.best}"))
        if now.running:
            lines.append(Text("running " + ", ".join(map(at_rung, now.running.items()))))
        return Group(*lines)

    def time_left(self, done: int, total: int) -> str:
        """The remaining time, from the trials of this session; "" before the first has ended."""
        ended_here = sum(self.now.counts.get(key, 0) for key in ("complete", "pruned"))
        if not ended_here or done >= total:
            return ""
        left = (time.monotonic() - self.now.began) / ended_here * (total - done)
        return f", about {duration(left)} left"

    def close(self) -> None:
        self.live.stop()
