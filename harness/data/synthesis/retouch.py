"""Liquify strokes of a typical portrait retouching, placed on a face."""

import math
from dataclasses import dataclass, replace

import numpy as np

from harness.data.synthesis.liquify import Stroke


@dataclass(frozen=True)
class Face:
    """A face's oval in pixels: centre, half width, and half height (to the chin)."""

    x: float
    y: float
    half_width: float
    half_height: float


def middle_face(size: int) -> Face:
    """The usual place of a face in a picture of `size` x `size` pixels."""
    return Face(x=0.5 * size, y=0.44 * size, half_width=0.2 * size, half_height=0.3 * size)


def slim_jaw(
    face: Face, random: np.random.Generator, strength: float = 1.0, spread: float = 0.2
) -> tuple[Stroke, ...]:
    """Jaw slimming and a shorter chin, with random variation.

    Two pushes inward at the jaw, one upward at the chin. Each varies by up to `spread` in strength
    and by 2% of the face's height in position. At strength 1 the largest displacement is about a
    tenth of the face's width.
    """
    return (
        dab(face, (-0.95, 0.52), (1.0, 1.1), (0.19, -0.02), random, strength, spread),
        dab(face, (0.95, 0.52), (1.0, 1.1), (-0.19, -0.02), random, strength, spread),
        dab(face, (0.0, 0.95), (1.1, 0.8), (0.0, -0.13), random, strength, spread),
    )


def turned(stroke: Stroke, angle: float) -> Stroke:
    """The stroke with its push rotated by `angle` in radians."""
    cosine, sine = math.cos(angle), math.sin(angle)
    x, y = stroke.push
    return replace(stroke, push=(cosine * x - sine * y, sine * x + cosine * y))


def retouch(face: Face, random: np.random.Generator) -> tuple[Stroke, ...]:
    """A random retouching of a whole portrait.

    The jaw is always made narrower, by a push on each side (sometimes on one side only) and
    sometimes by scaling; face length (either way), nose and eyes are changed at random.
    """
    strokes = slim_jaw(face, random, random.uniform(0.3, 0.95), spread=0.35)
    if random.uniform() < 0.15:
        strokes = (strokes[random.integers(2)], strokes[2])
    if random.uniform() < 0.4:
        wide = random.uniform(0.04, 0.12)
        strokes += (squeeze(face, (0.0, 0.5), (1.6, 1.2), (wide, 0.0)),)
    if random.uniform() < 0.5:
        length = random.uniform(0.03, 0.08) * random.choice((1, 1, -1))
        strokes += (squeeze(face, (0.0, 0.55), (1.3, 0.9), (0.0, length)),)
    if random.uniform() < 0.4:
        strokes += (squeeze(face, (0.0, 0.15), (0.4, 0.5), (random.uniform(0.08, 0.16), 0.0)),)
    if random.uniform() < 0.4:
        bloat = -random.uniform(0.06, 0.14)
        strokes += tuple(
            squeeze(face, (side, -0.18), (0.32, 0.26), (bloat, bloat)) for side in (-0.42, 0.42)
        )
    return strokes


def squeeze(
    face: Face,
    place: tuple[float, float],
    radius: tuple[float, float],
    pinch: tuple[float, float],
) -> Stroke:
    """A pinch (or bloat) in units relative to the face, as in `dab`."""
    return Stroke(
        centre=(face.x + place[0] * face.half_width, face.y + place[1] * face.half_height),
        radius=(radius[0] * face.half_width, radius[1] * face.half_width),
        pinch=pinch,
    )


def dab(
    face: Face,
    place: tuple[float, float],
    radius: tuple[float, float],
    push: tuple[float, float],
    random: np.random.Generator,
    strength: float,
    spread: float,
) -> Stroke:
    """A push in units relative to the face: `place` in half axes, the rest in half widths."""
    jitter = random.uniform(-0.04, 0.04, 2) * face.half_height
    force = strength * random.uniform(1 - spread, 1 + spread) * face.half_width
    return Stroke(
        centre=(
            face.x + place[0] * face.half_width + float(jitter[0]),
            face.y + place[1] * face.half_height + float(jitter[1]),
        ),
        radius=(radius[0] * face.half_width, radius[1] * face.half_width),
        push=(push[0] * force, push[1] * force),
    )
