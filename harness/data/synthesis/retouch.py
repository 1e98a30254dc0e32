"""Liquify strokes of a typical portrait retouching, placed on a face."""

import math
from dataclasses import dataclass, replace

import numpy as np

from harness.data.synthesis.handles import Handles
from harness.data.synthesis.liquify import Stroke

# Places in half axes of the face's oval that stay when the jaw moves: eyes, temples, brow, nose.
STAYING = ((-0.45, -0.2), (0.45, -0.2), (-0.95, -0.3), (0.95, -0.3), (0.0, -0.5), (0.0, 0.2))


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


def moved_jaw(face: Face, random: np.random.Generator) -> Handles:
    """The landmarks of the jaw moved inwards, by up to a fifth of the face's half width, and the
    chin upwards; sometimes on one side only. Eyes, nose and all around the face stay."""
    angles = np.linspace(0.06, 0.94, 11) * np.pi
    at = oval(angles) * random.uniform(0.92, 1.04, 2)
    sides = np.minimum(random.uniform(0.06, 0.18) * random.uniform(0.65, 1.35, 2), 0.2)
    if random.uniform() < 0.15:
        sides[random.integers(2)] = 0
    lift = random.uniform(0.0, 0.09)
    inward = np.where(np.cos(angles) > 0, *sides[:, None]) * np.sin(2 * angles)
    to = at - np.stack([inward, lift * np.sin(angles) ** 3], axis=1)
    around = np.concatenate([STAYING, 1.62 * oval(np.arange(16) * np.pi / 8)])
    mouth = np.array([[0.0, 0.55]])

    def in_pixels(*places: np.ndarray) -> tuple[tuple[float, float], ...]:
        axes = np.array([face.half_width, face.half_height])
        points = np.concatenate(places) * axes + [face.x, face.y]
        return tuple((x, y) for x, y in points.round(3).tolist())

    return Handles(
        centre=(face.x, face.y),
        radius=(1.9 * face.half_width, 1.9 * face.half_height),
        at=in_pixels(at, mouth, around),
        to=in_pixels(to, mouth - [0.0, 0.4 * lift], around),
    )


def oval(angles: np.ndarray) -> np.ndarray:
    """Points `[n, 2]` of the unit circle; y points down."""
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def turned(stroke: Stroke, angle: float) -> Stroke:
    """The stroke with its push rotated by `angle` in radians."""
    cosine, sine = math.cos(angle), math.sin(angle)
    x, y = stroke.push
    return replace(stroke, push=(cosine * x - sine * y, sine * x + cosine * y))


def retouch(face: Face, random: np.random.Generator) -> tuple[Stroke | Handles, ...]:
    """A random retouching of a whole portrait.

    The jaw is always made narrower, by a push on each side or by its landmarks (sometimes on one
    side only), and sometimes by scaling; face length (either way), nose and eyes are changed at
    random.
    """
    strokes: tuple[Stroke | Handles, ...]
    if random.uniform() < 0.5:
        strokes = (moved_jaw(face, random),)
    else:
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
