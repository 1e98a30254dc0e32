"""Liquify: a few smooth local displacements, like those of a retoucher's brush.

A field `u` `[2, h, w]` (x first, pixels) gives the origin of each retouched pixel:
`retouched(p) = original(p + u(p))`. Strokes are formulas, so the field of several strokes and its
inverse are exact, not interpolated.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates, spline_filter

Field = NDArray[np.float32]
Picture = NDArray[np.uint8]
Points = NDArray[np.float64]

# A quintic spline preserves the spectrum nearly up to Nyquist; a cubic or bilinear warp would
# itself blur the region whose blur is scored.
SPLINE_ORDER = 5
SPLINE_REACH = 16
STEEPEST_FALLOFF = 8 / (3 * math.sqrt(3))


class Move(Protocol):
    """A displacement within an ellipse that does not fold the picture."""

    @property
    def centre(self) -> tuple[float, float]: ...
    @property
    def radius(self) -> tuple[float, float]: ...
    def shift(self, points: Points) -> Points: ...
    def undo(self, points: Points) -> Points: ...


@dataclass(frozen=True)
class Stroke:
    """One dab of the brush: moves the pixels within an ellipse, most in its centre.

    Attributes:
        centre: (x, y) in pixels.
        radius: half axes (x, y) in pixels; nothing moves outside.
        push: displacement (x, y) of the centre in pixels.
        pinch: shares (x, y) by which the centre is contracted; negative expands it (bloat).

    Raises:
        ValueError: the stroke is too strong for its radius and might fold the picture.
    """

    centre: tuple[float, float]
    radius: tuple[float, float]
    push: tuple[float, float] = (0.0, 0.0)
    pinch: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        narrow, wide = min(self.radius), max(self.radius)
        if narrow <= 0:
            raise ValueError(f"a liquify stroke needs radii above 0, not {self.radius}")
        slope = STEEPEST_FALLOFF * math.hypot(*self.push) / narrow
        slope += max(map(abs, self.pinch)) * wide / narrow
        if slope >= 1:
            raise ValueError(
                f"a liquify stroke of push {self.push} and pinch {self.pinch} folds the picture "
                f"within radius {self.radius}: make it weaker or wider"
            )

    def shift(self, points: Points) -> Points:
        """The origins of the retouched `points` `[2, ...]`, relative to the points."""
        x = points[0] - self.centre[0]
        y = points[1] - self.centre[1]
        squared = (x / self.radius[0]) ** 2 + (y / self.radius[1]) ** 2
        falloff = np.maximum(0.0, 1.0 - squared) ** 2
        return np.stack(
            [
                falloff * (self.pinch[0] * x - self.push[0]),
                falloff * (self.pinch[1] * y - self.push[1]),
            ]
        )

    def undo(self, points: Points) -> Points:
        """Where the pixels at `points` `[2, ...]` of the original are in the retouched picture."""
        return solve(self, points)


def displacement(strokes: Sequence[Move], height: int, width: int) -> Field:
    """The field of consecutive `strokes`, which maps the original to the retouched picture."""

    def pull(points: Points) -> Points:
        for stroke in reversed(strokes):
            points = points + stroke.shift(points)
        return points

    return on_reach(strokes, height, width, pull)


def inverse_displacement(strokes: Sequence[Move], height: int, width: int) -> Field:
    """The field that undoes `strokes`, exact to 1e-4 pixels."""

    def push_back(points: Points) -> Points:
        for stroke in strokes:
            points = stroke.undo(points)
        return points

    return on_reach(strokes, height, width, push_back)


def solve(stroke: Stroke, target: Points) -> Points:
    """The points p with p + shift(p) = target, by iterating a contraction: no stroke folds."""
    # A stroke maps its ellipse to itself and moves nothing outside.
    x, y = ((target[axis] - stroke.centre[axis]) / stroke.radius[axis] for axis in (0, 1))
    reached = x * x + y * y < 1
    aims = target[:, reached]
    points = aims
    while True:
        closer = aims - stroke.shift(points)
        done = np.abs(closer - points).max(initial=0) < 1e-5
        points = closer
        if done:
            solved = target.copy()
            solved[:, reached] = points
            return solved


def on_reach(
    strokes: Sequence[Move], height: int, width: int, move: Callable[[Points], Points]
) -> Field:
    """`move` minus the identity, computed only within reach of the strokes; 0 elsewhere."""
    field = np.zeros((2, height, width), np.float32)
    left, top, right, bottom = reach(strokes, height, width)
    if left >= right or top >= bottom:
        return field
    y, x = np.mgrid[top:bottom, left:right].astype(np.float64)
    points = np.stack([x, y])
    field[:, top:bottom, left:right] = move(points) - points
    return field


def reach(strokes: Sequence[Move], height: int, width: int) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) of the strokes' bounding box, within the picture."""
    if not strokes:
        return 0, 0, 0, 0
    low = [min(s.centre[axis] - s.radius[axis] for s in strokes) for axis in (0, 1)]
    high = [max(s.centre[axis] + s.radius[axis] for s in strokes) for axis in (0, 1)]
    return (
        max(0, math.floor(low[0])),
        max(0, math.floor(low[1])),
        min(width, math.ceil(high[0]) + 1),
        min(height, math.ceil(high[1]) + 1),
    )


def resample(picture: Picture, field: Field) -> Picture:
    """Sample `picture` `[h, w, c]` at each pixel's position plus `field`; mirrored at the border.

    Pixels that the field does not move keep their values.
    """
    moved = (field != 0).any(axis=0)
    if not moved.any():
        return picture.copy()
    rows, columns = np.nonzero(moved)
    x = columns + field[0, rows, columns].astype(np.float64)
    y = rows + field[1, rows, columns].astype(np.float64)
    top, left = (max(0, int(low.min()) - SPLINE_REACH) for low in (y, x))
    window = picture[top : int(y.max()) + SPLINE_REACH + 2, left : int(x.max()) + SPLINE_REACH + 2]
    out = picture.copy()
    for channel in range(picture.shape[2]):
        spline = spline_filter(
            window[:, :, channel].astype(np.float64), SPLINE_ORDER, mode="mirror"
        )
        values = map_coordinates(
            spline, [y - top, x - left], order=SPLINE_ORDER, mode="mirror", prefilter=False
        )
        out[rows, columns, channel] = np.clip(np.rint(values), 0, 255)
    return out
