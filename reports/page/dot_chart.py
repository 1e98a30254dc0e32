"""Numbers as dots with their intervals on one zoomed axis, drawn by the page in plain HTML."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

MARGIN = 0.06
"""How much of the axis stays free at either end, as a part of its length."""
TICKS = 4


@dataclass(frozen=True)
class Dot:
    """One number and the ends of its interval, None where there is none; `note` stands beside.

    `chosen`: it is marked.
    """

    label: str
    value: float
    low: float | None = None
    high: float | None = None
    note: str = ""
    chosen: bool = False


@dataclass(frozen=True)
class Row:
    """A dot with its places on the axis, in percent; `from_` and `to` are its interval's ends."""

    label: str
    text: str
    note: str
    chosen: bool
    at: float
    from_: float | None
    to: float | None


@dataclass(frozen=True)
class Dots:
    """Dots from top to bottom; the axis' ticks and the line that they are read against (or None),
    each as its text and its place in percent."""

    rows: tuple[Row, ...]
    ticks: tuple[tuple[str, float], ...]
    line: tuple[str, float] | None


def dots(rows: Sequence[Dot], line: float | None, write: Callable[[float], str]) -> Dots:
    """Lay numbers out on an axis that is as long as they and the line need.

    Args:
        write: the text of a number.
    """
    shown = [end for row in rows for end in (row.value, row.low, row.high) if end is not None]
    shown += [line] if line is not None else []
    if not rows:
        return Dots((), (), None)
    low, high = min(shown), max(shown)
    spare = MARGIN * (high - low) or 0.01
    low, high = low - spare, high + spare

    def place(value: float) -> float:
        return round(100 * (value - low) / (high - low), 2)

    def laid(row: Dot) -> Row:
        text, ends = write(row.value), None
        if row.low is not None and row.high is not None:
            text += f" [{write(row.low)}, {write(row.high)}]"
            ends = place(row.low), place(row.high)
        return Row(row.label, text, row.note, row.chosen, place(row.value), *(ends or (None, None)))

    step = rounded((high - low) / TICKS)
    first = math.ceil(low / step)
    values = [step * each for each in range(first, math.floor(high / step) + 1)]
    digits = max(0, -math.floor(math.log10(step)))
    return Dots(
        tuple(map(laid, rows)),
        tuple((f"{value + 0:.{digits}f}", place(value)) for value in values),
        None if line is None else (write(line), place(line)),
    )


def rounded(step: float) -> float:
    """The next of 1, 2, 5, 10, 20 ... (also .1, .2, .5 ...) that is not below a step."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= step * 0.999)
