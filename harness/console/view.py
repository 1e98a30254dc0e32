"""What the terminal shows of a search: events in, a live view, plain lines or JSON lines out."""

import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from harness.errors import printable
from search_spaces.params import FIVE

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live


@dataclass(frozen=True)
class Opened:
    """A search begins or goes on.

    Attributes:
        best: of an earlier part of it, as `leading` says it; "" where there is none.
        scores: of the trials that are complete, in order.
    """

    study: str
    budget: int
    done: int
    profile: str
    device: str
    jobs: int
    weights: str
    data: str
    folder: str
    best: str = ""
    scores: tuple[float, ...] = ()


@dataclass(frozen=True)
class Note:
    """One sentence for the user."""

    text: str


@dataclass(frozen=True)
class WarmStart:
    """How far the shared warm start is, in optimisation steps."""

    done: int
    total: int


@dataclass(frozen=True)
class Prepared:
    """What every trial is read against."""

    noop: float
    warm_start: float | None
    oracle: float | None


@dataclass(frozen=True)
class TrialBegan:
    name: str
    params: dict[str, Any]
    recipe: str | None


@dataclass(frozen=True)
class RungReached:
    name: str
    step: int
    steps: int
    value: float


@dataclass(frozen=True)
class TrialEnded:
    """A trial is complete, pruned or failed. `best`: it leads now; `done`: of the budget."""

    name: str
    state: str
    value: float | None
    params: dict[str, Any]
    recipe: str | None
    reason: str
    seconds: float
    best: bool
    done: int


Event = Opened | Note | WarmStart | Prepared | TrialBegan | RungReached | TrialEnded


class View(Protocol):
    """Shows events until it is closed."""

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
    """Says nothing before the end."""

    def show(self, event: Event) -> None:
        pass

    def close(self) -> None:
        pass


class JsonView:
    """One JSON object a line, for machines: the event's name and its fields."""

    def __init__(self, out: TextIO) -> None:
        self.out = out

    def show(self, event: Event) -> None:
        fields = {"event": type(event).__name__, **asdict(event)}
        print(json.dumps(fields, ensure_ascii=False), file=self.out, flush=True)

    def close(self) -> None:
        pass


class PlainView:
    """One line a trial: for files, pipes and logs."""

    def __init__(self, out: TextIO) -> None:
        self.out = out
        self.budget = 0
        self.tenth = 0

    def show(self, event: Event) -> None:
        line = self.line(event)
        if line:
            print(printable(line), file=self.out, flush=True)

    def line(self, event: Event) -> str:
        """What an event says in one line; nothing for those that come too often."""
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
                return standing(event)
            case TrialEnded():
                return ended(event, self.budget)
        return ""

    def close(self) -> None:
        pass


@dataclass
class Shown:
    """What the live view knows by now."""

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
    """Lines at the bottom of a terminal, drawn anew four times a second once they are started."""
    from rich.console import Console
    from rich.live import Live

    return Live(
        console=console or Console(), get_renderable=render, refresh_per_second=4, transient=True
    )


class LiveView:
    """A few lines at the bottom of the terminal that keep up with the search."""

    def __init__(self, console: "Console | None" = None) -> None:
        self.now = Shown()
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
                self.console.print(standing(event), markup=False, highlight=False)
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
            share, total = now.warm_start.done, max(1, now.warm_start.total)
            said = f"warm start {share}/{total} steps"
        else:
            total = now.opened.budget if now.opened else 1
            share = min(total, now.done)
            said = f"{share}/{total} trials{self.time_left(share, total)}"
        bar = Table.grid(padding=(0, 1))
        bar.add_row(ProgressBar(total=total, completed=share, width=30), Text(said))
        counts = ", ".join(f"{count} {state}" for state, count in sorted(now.counts.items()))
        lines: list[RenderableType] = [bar, Text(f"{counts}  {sparkline(now.history)}".strip())]
        if now.best:
            lines.append(Text(f"best {now.best}"))
        if now.running:
            lines.append(Text("running " + ", ".join(map(at_rung, now.running.items()))))
        return Group(*lines)

    def time_left(self, done: int, total: int) -> str:
        """From the pace of this run, once there is one."""
        here = sum(self.now.counts.get(key, 0) for key in ("complete", "pruned"))
        if not here or done >= total:
            return ""
        left = (time.monotonic() - self.now.began) / here * (total - done)
        return f", about {duration(left)} left"

    def close(self) -> None:
        self.live.stop()


def at_rung(entry: tuple[str, RungReached | None]) -> str:
    name, rung = entry
    return name + (f" {rung.step}/{rung.steps}: {rung.value:.3f}" if rung else "")


def opening(event: Opened) -> str:
    begun = f", {event.done} of them done" if event.done else ""
    best = f"\nBest so far: {event.best}" if event.best else ""
    return (
        f"Study {event.study}: {event.budget} trials{begun}; profile {event.profile}, "
        f"{event.jobs} worker(s) on {event.device}, weights {event.weights}, {event.data}.\n"
        f"Everything goes to {event.folder}{best}"
    )


def standing(event: Prepared) -> str:
    start = "" if event.warm_start is None else f", the warm start {event.warm_start:.4f}"
    best = "" if event.oracle is None else f", warping it back (the oracle) {event.oracle:.4f}"
    return f"The input unchanged (no-op) scores {event.noop:.4f}{start}{best}."


def leading(value: float, name: str, params: Mapping[str, Any]) -> str:
    """The trial that leads, in one line."""
    return f"{value:.4f}  {name} {settings(params)}"


def ended(event: TrialEnded, budget: int) -> str:
    """One trial in one line."""
    value = f"{event.value:.4f}" if event.value is not None else "      "
    marks = [f"[{event.recipe}]"] if event.recipe else []
    marks += [event.reason] if event.reason else []
    marks += ["<- best so far"] if event.best else []
    return " ".join(
        [
            f"{event.done:>4}/{budget}  {event.name:<4} {event.state:<8} {value}",
            f"{event.seconds:6.1f} s  {settings(event.params)}",
            *marks,
        ]
    )


def settings(params: Mapping[str, Any]) -> str:
    """The five settings in one line, and those that the space varies beside them."""
    extras = (f" {name}={value}" for name, value in params.items() if name not in FIVE)
    return (
        f"L1={params['lambda_L1']:<6.4g} perc={params['lambda_perceptual']:<5.3g} "
        f"D{params['n_layers_D']} {params['gan_mode']:<7} lr={params['lr']:.2g}{''.join(extras)}"
    )


def sparkline(values: list[float], width: int = 40) -> str:
    """The last scores as a row of blocks."""
    shown = values[-width:]
    if not shown:
        return ""
    low, high = min(shown), max(shown)
    scale = 7 / (high - low) if high > low else 0.0
    return "".join("▁▂▃▄▅▆▇█"[round((value - low) * scale)] for value in shown)


def duration(seconds: float) -> str:
    """`42 s`, `12 min` or `3.4 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
