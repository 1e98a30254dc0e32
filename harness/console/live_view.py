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
    event_text,
    leader_line,
    rough_duration,
    settings,
    sparkline,
    tally,
    trial_line,
    wrapped,
)
from harness.console.time_left import Durations, seconds_left
from harness.errors import printable
from reports.texts.numbers import number, quantity

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

MAX_ROWS = 12
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
        counts: number of this session's ended trials by state, and of finalists' runs.
        began: time at which the first trial of this session could start, by the view's clock.
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
        self.state = LiveState(began=clock())
        self.live = Live(
            console=console, get_renderable=self.render, refresh_per_second=4, transient=True
        )
        self.console = self.live.console

    def show(self, event: Event) -> None:
        if text := event_text(event):
            self.print(text)
        state = self.state
        match event:
            case Opened():
                state.opened, state.done = event, event.done
                state.best, state.history = event.best, list(event.scores)
                self.live.start(refresh=True)
            case Expected():
                state.expected = event
            case CutShort():
                assert state.opened is not None
                state.opened = replace(state.opened, budget=event.trials + event.runs)
            case WarmStart():
                state.warm_start = event
            case Prepared():
                state.warm_start, state.prepared, state.began = None, True, self.clock()
            case TrialBegan():
                state.running[event.name] = Running(event.params, self.clock())
            case RungReached():
                if event.name in state.running:
                    state.running[event.name].rung = event
            case TrialEnded():
                self.record_end(event)
            case Stopping():
                state.stopping, state.running = True, {}

    def print(self, text: str) -> None:
        lines = wrapped(printable(text), width=min(WIDTH, self.console.width))
        self.console.print(lines, markup=False, highlight=False)

    def record_end(self, event: TrialEnded) -> None:
        state = self.state
        state.running.pop(event.name, None)
        kind = "runs of finalists" if event.final and event.state != "failed" else event.state
        state.counts[kind] = state.counts.get(kind, 0) + 1
        state.done = event.done
        if event.best and event.value is not None:
            state.best = leader_line(event.value, event.name, event.params)
        if event.state == "complete" and event.value is not None and not event.final:
            state.history.append(event.value)
        if event.state != "failed":
            state.took = with_end(state.took, event)
        if event.state in ("complete", "failed"):
            self.print(trial_line(event, state.opened.budget if state.opened else 0))

    def render(self) -> "RenderableType":
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        state = self.state
        done, total, text = self.progress()
        bar = Table.grid(padding=(0, 1))
        bar.add_row(ProgressBar(total=total, completed=done, width=30), Text(text + self.left()))
        lines: list[RenderableType] = [bar]
        if counts := f"{self.counts()}  {sparkline(state.history)}".strip():
            lines.append(Text(counts))
        if state.best:
            lines.append(Text(f"leader {state.best}", no_wrap=True, overflow="ellipsis"))
        if state.running:
            lines.append(self.table())
        return Group(*lines)

    def progress(self) -> tuple[int, int, str]:
        """The state of the progress bar: how much is done, of how much, and both in words."""
        state, opened, warm_start = self.state, self.state.opened, self.state.warm_start
        if warm_start is not None and not state.stopping:
            done, total = warm_start.done, max(1, warm_start.total)
            return done, total, f"warm start {done}/{quantity(total, 'step')}"
        budget = opened.budget if opened else 1
        runs = opened.final_runs if opened else 0
        done = min(budget, state.done)
        in_words = f"{done}/{quantity(budget, 'trial')}"
        if state.stopping:
            in_words += ", stopping"
        elif done == budget:
            in_words += ", writing the results"
        elif not state.prepared:
            in_words += ", getting ready"
        elif runs and done >= budget - runs:
            in_words += f", finalists {done + runs - budget}/{runs}"
        return done, budget, in_words

    def counts(self) -> str:
        """The number of trials by state; those that ended without failing add up to the done."""
        state = self.state
        done = {"done before": state.opened.done if state.opened else 0}
        done |= {IN_WORDS[name]: state.counts.get(name, 0) for name in ("complete", "pruned")}
        done["runs of finalists"] = state.counts.get("runs of finalists", 0)
        return tally(done, {"running": len(state.running), "failed": state.counts.get("failed", 0)})

    def table(self) -> "Table":
        """The running trials: settings, step and last score."""
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
        for name, justify in (("trial", "left"), ("step", "right"), ("score", "left")):
            table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
        table.add_column("settings", no_wrap=True, overflow="ellipsis")
        rows = list(self.state.running.items())
        for name, trial in rows[:MAX_ROWS]:
            rung = trial.rung
            table.add_row(
                Text(name),
                Text(f"{rung.step}/{rung.steps}" if rung else "-"),
                Text(number(rung.value) if rung else "-"),
                Text(printable(settings(trial.params))),
            )
        if len(rows) > MAX_ROWS:
            table.add_row("", "", "", Text(f"and {len(rows) - MAX_ROWS} more"))
        return table

    def left(self) -> str:
        """The remaining time, as text; "" if it is not known yet."""
        seconds = None if self.state.stopping else self.seconds_left()
        return "" if seconds is None or seconds <= 0 else f", about {rough_duration(seconds)} left"

    def seconds_left(self) -> float | None:
        """Seconds left, by this session's trials; before one has ended, by the estimate."""
        state, opened, now = self.state, self.state.opened, self.clock()
        if opened is None:
            return None
        searched = opened.budget - opened.final_runs
        trials, runs = max(0, searched - state.done), opened.budget - max(state.done, searched)
        running = [now - trial.began for trial in state.running.values()]
        left = seconds_left(trials, runs, opened.jobs, replace(state.took, running=running))
        if left is not None or state.expected is None:
            return left
        if state.warm_start is not None:
            done = state.warm_start.done / max(1, state.warm_start.total)
            return state.expected.seconds - done * state.expected.warm_start
        return state.expected.trials + state.expected.runs - (now - state.began)

    def close(self) -> None:
        self.live.stop()


def with_end(took: Durations, event: TrialEnded) -> Durations:
    """The durations with that of a trial that has ended added."""
    if event.final:
        return Durations(took.ended, took.complete, [*took.runs, event.seconds])
    complete = [*took.complete, event.seconds] if event.state == "complete" else took.complete
    return Durations([*took.ended, event.seconds], complete, took.runs)
