"""Events, settings and durations as lines of text, at most `WIDTH` columns wide."""

import shutil
import textwrap
from collections.abc import Mapping
from typing import Any

from harness.console.events import (
    CutShort,
    Event,
    Expected,
    Note,
    Opened,
    Prepared,
    RungReached,
    Stopping,
    TrialEnded,
)
from reports.texts.numbers import UNIT, number, quantity
from reports.texts.translations import LANGUAGES
from search_spaces.generators import MOVING
from search_spaces.trial_params import REQUIRED_SETTINGS

WIDTH = 100
SPARKLINE_LENGTH = 40

IN_WORDS = {state: LANGUAGES["en"][f"state_{state}"] for state in ("complete", "pruned", "failed")}
"""The states of trials as a reader knows them."""


def columns() -> int:
    """The width of lines: `WIDTH`, or less in a narrower terminal."""
    return min(WIDTH, shutil.get_terminal_size((WIDTH, 0)).columns)


def wrapped(text: str, indent: str = "", width: int | None = None) -> str:
    """A text with long lines wrapped at spaces, but not between a number and its unit.

    Args:
        indent: the beginning of continuation lines.
        width: maximum characters of a line; None: `columns()`.
    """
    return "\n".join(
        textwrap.fill(
            UNIT.sub("\0", line),
            width or columns(),
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        ).replace("\0", " ")
        for line in text.split("\n")
    )


def event_text(event: Event) -> str:
    """The text that every view prints for an event; "" if each view shows it in its own way."""
    match event:
        case Opened():
            return opening_text(event)
        case Note() | CutShort():
            return event.text
        case Expected():
            return forecast(event)
        case Prepared():
            return baseline(event)
        case Stopping():
            return event.why
    return ""


def rung_line(event: RungReached) -> str:
    return f"{event.name} is at step {event.step} of {event.steps}, score {number(event.value)}"


def opening_text(event: Opened) -> str:
    trials, runs = event.budget - event.final_runs, event.final_runs
    kinds = f" ({trials}, then {quantity(runs, 'run')} of finalists)" if trials and runs else ""
    done = f", {event.done} of them done" if event.done else ""
    best = f"\nLeader so far: {event.best}" if event.best else ""
    return (
        f"Study {event.study}: {quantity(max(event.budget, event.done), 'trial')}{kinds}{done}; "
        f"profile {event.profile}, {quantity(event.jobs, 'worker')} on {event.device}, "
        f"weights {event.weights}, {event.data}.\n"
        f"Everything goes to {event.folder}{best}"
    )


def tally(done: Mapping[str, int], others: Mapping[str, int]) -> str:
    """Counts of trials: those that add up to the trials done, then those that do not.

    For example `8 completed, 4 stopped early; 2 running`.
    """
    groups = (
        ", ".join(
            f"{count} {word.replace('runs', 'run') if count == 1 else word}"
            for word, count in group.items()
            if count
        )
        for group in (done, others)
    )
    return "; ".join(filter(None, groups))


def baseline(event: Prepared) -> str:
    start = "" if event.warm_start is None else f", the warm start {number(event.warm_start)}"
    if event.other_warm_start is not None:
        start += f" (moving pixels {number(event.other_warm_start)})"
    best = "" if event.oracle is None else f", warped back {number(event.oracle)}"
    return f"The input unchanged scores {number(event.noop)}{start}{best}."


def leader_line(value: float, name: str, params: Mapping[str, Any]) -> str:
    """The leading trial in one line."""
    return f"{number(value)}  {name} {settings(params)}"


def trial_line(event: TrialEnded, budget: int) -> str:
    """An ended trial in one line, with a second line for the reason of its end if it has one."""
    value = "" if event.value is None else number(event.value)
    state = (IN_WORDS | {"pruned": "stopped"}).get(event.state, event.state)
    state = "leads" if event.best else state
    marks = f" [{event.recipe}]" if event.recipe else ""
    why = f"\n      {event.reason}" if event.reason else ""
    if event.stopped_at is not None:
        marks, why = f"{marks} at step {event.stopped_at}", ""
    line = (
        f"{event.done:>{len(str(budget))}}/{budget} {event.name:<4} {state:<9} {value:<6} "
        f"{event.seconds:4.0f} s {settings(event.params)}{marks}"
    )
    return wrapped(line.rstrip() + why, "      ")


def settings(params: Mapping[str, Any]) -> str:
    """The five parameters, and any other settings that the space varies, in one line.

    n_layers_D is shown as `nD`, since D is a component of the score. The generator that moves
    pixels is shown as `warp`, since a study has at most one.
    """
    extras = "".join(
        f" {'warp' if value in MOVING else value}" if name == "netG" else f" {name}={value}"
        for name, value in params.items()
        if name not in REQUIRED_SETTINGS
    )
    return (
        f"L1={params['lambda_L1']:<5.4g} perc={params['lambda_perceptual']:<4.3g} "
        f"nD={params['n_layers_D']} {params['gan_mode']:<7} lr={params['lr']:<7.2g}{extras}"
    ).rstrip()


def sparkline(values: list[float]) -> str:
    """The last 40 scores as a row of block characters."""
    latest = values[-SPARKLINE_LENGTH:]
    if not latest:
        return ""
    low, high = min(latest), max(latest)
    scale = 7 / (high - low) if high > low else 0.0
    return "".join("▁▂▃▄▅▆▇█"[round((value - low) * scale)] for value in latest)


def forecast(event: Expected) -> str:
    """The expected duration of a new search, and the machine that it is for."""
    return f"Takes about {rough_duration(event.seconds)} on {event.where}: {duration_parts(event)}."


def duration_parts(event: Expected) -> str:
    """The expected durations of the parts of a new search."""
    stops = " if half stop early" if event.stops else ""
    durations = {
        "warm start {}": event.warm_start,
        f"trials {{}}{stops}": event.trials,
        "finalists {}": event.runs,
    }
    return ", ".join(
        text.format(rough_duration(seconds)) for text, seconds in durations.items() if seconds
    )


def remaining_text(seconds: float, where: str) -> str:
    """The expected duration of the rest of a resumed search."""
    return f"What is left takes about {rough_duration(seconds)} on {where}, by the trials so far."


def rough_duration(seconds: float) -> str:
    """An estimated duration: `40 s`, `5 min`, `3 h`, `2 days`."""
    minutes, hours = seconds / 60, seconds / 3600
    if seconds < 55:
        return f"{max(10, 10 * round(seconds / 10))} s"
    if minutes < 90:
        return f"{round(minutes) if minutes < 20 else 5 * round(minutes / 5)} min"
    return f"{hours:.2g} h" if hours < 48 else f"{hours / 24:.0f} days"
