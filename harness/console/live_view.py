"""The view of a search in a terminal: a line for each ended trial, and a table of running ones."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from harness.console.events import (
    CutShort,
    Event,
    Expected,
    Opened,
    Prepared,
    RungReached,
    Stopping,
    TrialBegan,
    TrialEnded,
    WarmStart,
)
from harness.console.lines import (
    IN_WORDS,
    WIDTH,
    ended,
    leading,
    rough,
    sentences,
    settings,
    sparkline,
    tally,
    wrapped,
)
from harness.console.time_left import Durations, seconds_left
from harness.errors import printable
from reports.texts.numbers import number, quantity

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

MOST_ROWS = 12
"""Maximum number of running trials in the table."""


@dataclass
class Running:
    """A running trial: its settings, its start, and its last rung."""

    params: dict[str, Any]
    began: float
    rung: RungReached | None = None


@dataclass
class LiveState:
    """The state that the live view displays.

    Attributes:
        prepared: whether trials can start.
        counts: trials of this session that have ended, by state, and runs of finalists.
        began: time at which the first trial of this session could start.
        took: durations of this session's trials.
    """

    opened: Opened | None = None
    expected: Expected | None = None
    warm_start: WarmStart | None = None
    prepared: bool = False
    stopping: bool = False
    running: dict[str, Running] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    best: str = ""
    history: list[float] = field(default_factory=list)
    began: float = 0.0
    took: Durations = field(default_factory=lambda: Durations([], [], []))
    done: int = 0


class LiveView:
    """A few lines at the bottom of the terminal that show the state of the search.

    Args:
        clock: a monotonic clock, in seconds.
    """

    def __init__(
        self, console: "Console | None" = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        from rich.live import Live

        self.clock = clock
        self.now = LiveState(began=clock())
        self.live = Live(
            console=console, get_renderable=self.render, refresh_per_second=4, transient=True
        )
        self.console = self.live.console

    def show(self, event: Event) -> None:
        if text := sentences(event):
            self.print(text)
        now = self.now
        match event:
            case Opened():
                now.opened, now.done = event, event.done
                now.best, now.history = event.best, list(event.scores)
                self.live.start(refresh=True)
            case Expected():
                now.expected = event
            case CutShort():
                assert now.opened is not None
                now.opened = replace(now.opened, budget=event.trials + event.runs)
            case WarmStart():
                now.warm_start = event
            case Prepared():
                now.warm_start, now.prepared, now.began = None, True, self.clock()
            case TrialBegan():
                now.running[event.name] = Running(event.params, self.clock())
            case RungReached():
                if event.name in now.running:
                    now.running[event.name].rung = event
            case TrialEnded():
                self.ended(event)
            case Stopping():
                now.stopping, now.running = True, {}

    def print(self, text: str) -> None:
        lines = wrapped(printable(text), width=min(WIDTH, self.console.width))
        self.console.print(lines, markup=False, highlight=False)

    def ended(self, event: TrialEnded) -> None:
        now = self.now
        now.running.pop(event.name, None)
        kind = "runs of finalists" if event.final and event.state != "failed" else event.state
        now.counts[kind] = now.counts.get(kind, 0) + 1
        now.done = event.done
        if event.best and event.value is not None:
            now.best = leading(event.value, event.name, event.params)
        if event.state == "complete" and event.value is not None and not event.final:
            now.history.append(event.value)
        if event.state != "failed":
            now.took = with_end(now.took, event)
        if event.state in ("complete", "failed"):
            self.print(ended(event, now.opened.budget if now.opened else 0))

    def render(self) -> "RenderableType":
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        now = self.now
        done, total, text = self.progress()
        bar = Table.grid(padding=(0, 1))
        bar.add_row(ProgressBar(total=total, completed=done, width=30), Text(text + self.left()))
        lines: list[RenderableType] = [bar]
        if counts := f"{self.counts()}  {sparkline(now.history)}".strip():
            lines.append(Text(counts))
        if now.best:
            lines.append(Text(f"leader {now.best}", no_wrap=True, overflow="ellipsis"))
        if now.running:
            lines.append(self.table())
        return Group(*lines)

    def progress(self) -> tuple[int, int, str]:
        """What the bar shows: how much of how much is done, and the same in words."""
        now, opened, warm_start = self.now, self.now.opened, self.now.warm_start
        if warm_start is not None and not now.stopping:
            done, total = warm_start.done, max(1, warm_start.total)
            return done, total, f"warm start {done}/{quantity(total, 'step')}"
        budget = opened.budget if opened else 1
        runs = opened.final_runs if opened else 0
        done = min(budget, now.done)
        in_words = f"{done}/{quantity(budget, 'trial')}"
        if now.stopping:
            in_words += ", stopping"
        elif done == budget:
            in_words += ", writing the results"
        elif not now.prepared:
            in_words += ", getting ready"
        elif runs and done >= budget - runs:
            in_words += f", finalists {done + runs - budget}/{runs}"
        return done, budget, in_words

    def counts(self) -> str:
        """Trials by state; those that have ended without failing add up to the trials done."""
        now = self.now
        done = {"done before": now.opened.done if now.opened else 0}
        done |= {IN_WORDS[state]: now.counts.get(state, 0) for state in ("complete", "pruned")}
        done["runs of finalists"] = now.counts.get("runs of finalists", 0)
        return tally(done, {"running": len(now.running), "failed": now.counts.get("failed", 0)})

    def table(self) -> "Table":
        """The running trials: settings, step and last score."""
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
        for name, justify in (("trial", "left"), ("step", "right"), ("score", "left")):
            table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
        table.add_column("settings", no_wrap=True, overflow="ellipsis")
        rows = list(self.now.running.items())
        for name, trial in rows[:MOST_ROWS]:
            rung = trial.rung
            table.add_row(
                Text(name),
                Text(f"{rung.step}/{rung.steps}" if rung else "-"),
                Text(number(rung.value) if rung else "-"),
                Text(printable(settings(trial.params))),
            )
        if len(rows) > MOST_ROWS:
            table.add_row("", "", "", Text(f"and {len(rows) - MOST_ROWS} more"))
        return table

    def left(self) -> str:
        """The remaining time, as text; "" if it is not known yet."""
        seconds = None if self.now.stopping else self.seconds_left()
        return "" if seconds is None or seconds <= 0 else f", about {rough(seconds)} left"

    def seconds_left(self) -> float | None:
        """The remaining time, from this session's trials; before one has ended, as estimated."""
        now, opened, since = self.now, self.now.opened, self.clock()
        if opened is None:
            return None
        searched = opened.budget - opened.final_runs
        trials, runs = max(0, searched - now.done), opened.budget - max(now.done, searched)
        running = [since - trial.began for trial in now.running.values()]
        left = seconds_left(trials, runs, opened.jobs, replace(now.took, running=running))
        if left is not None or now.expected is None:
            return left
        if now.warm_start is not None:
            to_do = 1 - now.warm_start.done / max(1, now.warm_start.total)
            return now.expected.seconds - (1 - to_do) * now.expected.warm_start
        return now.expected.trials + now.expected.runs - (since - now.began)

    def close(self) -> None:
        self.live.stop()


def with_end(took: Durations, event: TrialEnded) -> Durations:
    """The durations with those of a trial that has ended."""
    if event.final:
        return Durations(took.ended, took.complete, [*took.runs, event.seconds])
    complete = [*took.complete, event.seconds] if event.state == "complete" else took.complete
    return Durations([*took.ended, event.seconds], complete, took.runs)
