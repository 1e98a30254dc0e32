"""Landmarks that are moved, and a picture that follows them, as face-shaping tools do it.

Rigid moving least squares: Schaefer, McPhail and Warren, "Image deformation using moving least
squares", 2006.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import count

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.ndimage import map_coordinates

from harness.data.synthesis.liquify import Points

Complex = NDArray[np.complex128]
# Points per side at which the deformation is computed, and at which a cubic spline samples it.
GRID, FINE = 64, 512
# The deformation fades to nothing between these shares of the radius.
FADE = (0.8, 0.98)
# The maximum change of the shift per pixel: at 1 the picture folds.
STEEPEST = 0.9
# After so many full steps towards an origin, steps become smaller: where the picture is stretched
# to more than twice its size, between the points of the grid, full steps would oscillate for ever.
# Steps of the smallest share converge up to a stretch of twenty times.
WHOLE_STEPS, SMALLEST_SHARE = 50, 0.1


def rigid(points: Complex, handles: Complex, goals: Complex) -> Complex:
    """Where `points` move when `handles` move to `goals`; positions are x + iy, one-dimensional.

    Each point follows the rotation and translation that best fits the handles, each weighted by the
    inverse of its squared distance from the point.
    """
    weights = 1 / np.maximum(np.abs(points[:, None] - handles) ** 2, 1e-9)
    weights /= weights.sum(axis=1, keepdims=True)
    centre, goal = weights @ handles, weights @ goals
    turn = (weights * (handles - centre[:, None]).conj() * (goals - goal[:, None])).sum(axis=1)
    return np.asarray(np.exp(1j * np.angle(turn)) * (points - centre) + goal)


@dataclass(frozen=True)
class Handles:
    """Landmarks and where they are moved; the pixels within an ellipse follow.

    Attributes:
        centre: (x, y) in pixels.
        radius: half axes (x, y) in pixels; nothing moves outside.
        at: landmarks (x, y) in the original, in pixels.
        to: their positions in the retouched picture.

    Raises:
        ValueError: the landmarks move so far that the picture might fold.
    """

    centre: tuple[float, float]
    radius: tuple[float, float]
    at: tuple[tuple[float, float], ...]
    to: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        every = FINE // GRID
        steps = [2 * every * radius / (FINE - 1) for radius in reversed(self.radius)]
        down, across = np.gradient(self.field[:, ::every, ::every], *steps, axis=(1, 2))
        if (down**2 + across**2).sum(axis=0).max() >= STEEPEST**2:
            raise ValueError("landmarks that move so far fold the picture: move them less")

    @cached_property
    def field(self) -> Points:
        """The shift over the ellipse's bounding box, `[2, FINE, FINE]`."""
        coarse, fine = (np.linspace(-1, 1, side) for side in (GRID, FINE))
        x, y = (self.centre[axis] + self.radius[axis] * coarse for axis in (0, 1))
        points = (x + 1j * y[:, None]).ravel()
        at, to = (np.array(places) @ (1, 1j) for places in (self.at, self.to))
        shift = (rigid(points, to, at) - points).reshape(GRID, GRID)
        smooth = CubicSpline(coarse, CubicSpline(coarse, shift)(fine), axis=1)(fine)
        inside = (FADE[1] - np.hypot(fine, fine[:, None])) / (FADE[1] - FADE[0])
        inside = inside.clip(0, 1)
        return np.stack([smooth.real, smooth.imag]) * (inside**2 * (3 - 2 * inside))

    def shift(self, points: Points) -> Points:
        """The origins of the retouched `points` `[2, ...]`, relative to the points."""
        column, row = (
            ((points[axis] - self.centre[axis]) / self.radius[axis] + 1) * (FINE - 1) / 2
            for axis in (0, 1)
        )
        return np.stack([map_coordinates(part, [row, column], order=1) for part in self.field])

    def undo(self, points: Points) -> Points:
        """Where the pixels at `points` `[2, ...]` of the original are in the retouched picture."""
        aims = points.reshape(2, -1)
        found = aims.copy()
        moving = np.arange(aims.shape[1])
        for rounds in count():
            share = max(1 / (1 + rounds // WHOLE_STEPS), SMALLEST_SHARE)
            step = aims[:, moving] - self.shift(found[:, moving]) - found[:, moving]
            found[:, moving] += share * step
            moving = moving[np.abs(step).max(axis=0) >= 1e-5]
            if not moving.size:
                break
        return found.reshape(points.shape)
