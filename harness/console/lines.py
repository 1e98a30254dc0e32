"""Events, settings and durations as single lines of text."""

import textwrap
from collections.abc import Mapping
from typing import Any

from harness.console.events import Opened, Prepared, RungReached, TrialEnded
from search_spaces.trial_params import FIVE

COLUMNS = 100
"""What a terminal or a log shows of a line."""


def at_rung(entry: tuple[str, RungReached | None]) -> str:
    name, rung = entry
    return name + (f" {rung.step}/{rung.steps}: {rung.value:.3f}" if rung else "")


def opening(event: Opened) -> str:
    done = f", {event.done} of them done" if event.done else ""
    best = f"\nBest so far: {event.best}" if event.best else ""
    return (
        f"Study {event.study}: {event.budget} trials{done}; profile {event.profile}, "
        f"{event.jobs} worker(s) on {event.device}, weights {event.weights}, {event.data}.\n"
        f"Everything goes to {event.folder}{best}"
    )


def baseline(event: Prepared) -> str:
    start = "" if event.warm_start is None else f", the warm start {event.warm_start:.4f}"
    if event.other_warm_start is not None:
        start += f" (moving pixels {event.other_warm_start:.4f})"
    best = "" if event.oracle is None else f", warping it back (the oracle) {event.oracle:.4f}"
    return f"The input unchanged (no-op) scores {event.noop:.4f}{start}{best}."


def leading(value: float, name: str, params: Mapping[str, Any]) -> str:
    """The best trial, in one line."""
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
    """The five parameters, and further settings that the space varies, in one line."""
    extras = (f" {name}={value}" for name, value in params.items() if name not in FIVE)
    return (
        f"L1={params['lambda_L1']:<6.4g} perc={params['lambda_perceptual']:<5.3g} "
        f"D{params['n_layers_D']} {params['gan_mode']:<7} lr={params['lr']:.2g}{''.join(extras)}"
    )


def wrapped(text: str, indent: str = "") -> list[str]:
    """A sentence in lines of at most 100 columns; words are never broken."""
    return textwrap.wrap(
        text,
        COLUMNS,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def sparkline(values: list[float], width: int = 40) -> str:
    """The last `width` scores as a row of block characters."""
    latest = values[-width:]
    if not latest:
        return ""
    low, high = min(latest), max(latest)
    scale = 7 / (high - low) if high > low else 0.0
    return "".join("▁▂▃▄▅▆▇█"[round((value - low) * scale)] for value in latest)


def duration(seconds: float) -> str:
    """`42 s`, `12 min` or `3.4 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
