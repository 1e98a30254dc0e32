"""Scores, counts and settings as text."""

import math
import re

UNITS = "s|min|h|days|px|pixels|layers?|steps?|epochs?|trials?|runs?|pairs?|GiB"
UNIT = re.compile(rf"(?<=\d) (?=%|(?:{UNITS})(?![A-Za-z])|\+ \d)|(?<=\d \+) (?=\d)")
"""The spaces of `5 min` and `96 + 12`, at which no line ends."""


def number(score: float | None) -> str:
    """A score to four decimals, or to three significant digits below 0.001; a dash for none."""
    if score is None or math.isnan(score):
        return "-"
    return short(score) if 0 < abs(score) < 1e-3 else f"{score:.4f}"


def quantity(count: object, noun: str) -> str:
    """A count with its noun: `1 pair`, `12 pairs`."""
    return f"{count} {noun}{'' if str(count) == '1' else 's'}"


def signed(difference: float) -> str:
    """A difference of scores to four decimals, or to three significant digits if they are zeros."""
    invisible = 0 < abs(difference) < 5e-5
    return f"{'+' * (difference > 0)}{short(difference)}" if invisible else f"{difference:+.4f}"


def unsigned(difference: float) -> str:
    """Like `signed`, without a plus sign."""
    return signed(difference).removeprefix("+")


def short(value: object) -> str:
    """A number to three significant digits; anything else as it is."""
    if not isinstance(value, int | float):
        return str(value)
    if not 0 < abs(value) < 1e-3:
        return f"{value:.3g}"
    digits, exponent = f"{value:.2e}".split("e")
    return f"{digits.rstrip('0').rstrip('.')}e{int(exponent)}"


def value(entry: object) -> str:
    """The value of a setting as text; "" for None."""
    if entry is None:
        return ""
    if isinstance(entry, list | tuple):
        return ", ".join(map(value, entry))
    return short(entry) if isinstance(entry, float) else str(entry)
