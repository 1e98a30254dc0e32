"""Views of a search's events: a live display, plain lines, JSON lines, or nothing."""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Protocol, TextIO

from harness.console.events import (
    CutShort,
    Event,
    Opened,
    Prepared,
    RungReached,
    TrialEnded,
    WarmStart,
)
from harness.console.lines import event_text, rung_line, trial_line, wrapped
from harness.console.live_view import LiveView
from harness.errors import printable
from reports.texts.numbers import quantity

# Seconds without output before a rung is printed: until the first trial has ended, and afterwards.
FIRST_SILENCE = 5.0
LATER_SILENCE = 60.0


class View(Protocol):
    """Renders events until it is closed."""

    def show(self, event: Event) -> None:
        return None

    def close(self) -> None:
        return None


def make_view(quiet: bool, as_json: bool) -> View:
    """The view for this terminal: nothing, `--json` lines, a live view, or plain lines."""
    if quiet:
        return QuietView()
    if as_json:
        return JsonView(sys.stdout)
    if sys.stdout.isatty():
        return LiveView()
    return PlainView(sys.stdout)


class QuietView(View):
    """Prints nothing."""


class JsonView(View):
    """One JSON object per line, for programs: the event's name and its fields."""

    def __init__(self, out: TextIO) -> None:
        self.out = out

    def show(self, event: Event) -> None:
        fields = event.as_data() if isinstance(event, Prepared) else asdict(event)
        line = {"event": type(event).__name__, **fields}
        print(json.dumps(line, ensure_ascii=False), file=self.out, flush=True)


class PlainView(View):
    """One line per trial, for files, pipes and logs, and a rung now and then between them.

    Args:
        clock: a monotonic clock, in seconds.
    """

    def __init__(self, out: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self.out = out
        self.clock = clock
        self.budget = 0
        self.tenth = 0
        self.printed = clock()
        self.max_silence = FIRST_SILENCE

    def show(self, event: Event) -> None:
        line = self.line(event)
        if line:
            print(printable(line), file=self.out, flush=True)
            self.printed = self.clock()

    def line(self, event: Event) -> str:
        """The text of an event; "" for events that are too frequent for a log."""
        match event:
            case Opened():
                self.budget = event.budget
            case CutShort():
                self.budget = event.trials + event.runs
            case WarmStart() if event.total and 10 * event.done // event.total > self.tenth:
                self.tenth = 10 * event.done // event.total
                return f"warm start: {event.done} of {quantity(event.total, 'step')}"
            case RungReached() if self.clock() - self.printed >= self.max_silence:
                return f"  {rung_line(event)}"
            case TrialEnded():
                self.max_silence = LATER_SILENCE
                return trial_line(event, self.budget)
        return wrapped(event_text(event))
