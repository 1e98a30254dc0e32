"""Numbers as dots with their intervals on one zoomed axis, which the page draws in plain HTML."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

MARGIN = 0.06
"""Padding at either end of the axis, as a fraction of the range of the numbers."""
TICKS = 4


@dataclass(frozen=True)
class Dot:
    """One number and the ends of its interval, which are None if it has none.

    Attributes:
        note: a remark next to it; "" for none.
        chosen: whether it is marked.
    """

    label: str
    value: float
    low: float | None = None
    high: float | None = None
    note: str = ""
    chosen: bool = False


@dataclass(frozen=True)
class Dots:
    """Dots from top to bottom.

    Attributes:
        low, high: the ends of the axis.
        line: the value that they are compared with; None for none.
        write: formats a number.
    """

    rows: tuple[Dot, ...]
    low: float
    high: float
    line: float | None
    write: Callable[[float], str]

    def at(self, value: float) -> float:
        """The position of a value on the axis, in percent of its length."""
        return round(100 * (value - self.low) / (self.high - self.low), 2)

    def text(self, row: Dot) -> str:
        """A number with its interval."""
        ends = [self.write(end) for end in (row.low, row.high) if end is not None]
        return self.write(row.value) + (f" [{', '.join(ends)}]" if ends else "")

    def ticks(self) -> list[tuple[str, float]]:
        """The text and the position of each tick."""
        step = rounded((self.high - self.low) / TICKS)
        digits = max(0, -math.floor(math.log10(step)))
        values = range(math.ceil(self.low / step), math.floor(self.high / step) + 1)
        return [(f"{step * each + 0:.{digits}f}", self.at(step * each)) for each in values]


def dots(rows: Sequence[Dot], line: float | None, write: Callable[[float], str]) -> Dots:
    """Lay out numbers on an axis that spans them, their intervals and the line."""
    drawn = [end for row in rows for end in (row.value, row.low, row.high, line) if end is not None]
    low, high = min(drawn, default=0.0), max(drawn, default=1.0)
    spare = MARGIN * (high - low) or 0.01
    return Dots(tuple(rows), low - spare, high + spare, line, write)


def rounded(step: float) -> float:
    """The smallest of 1, 2, 5, 10, 20 ... (also .1, .2, .5 ...) that is at least `step`."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= step * 0.999)
