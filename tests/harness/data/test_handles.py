"""Landmarks moved by moving least squares: they arrive, and the rest follows rigidly."""

import numpy as np
import pytest

from harness.data.synthesis.handles import Handles, rigid
from harness.data.synthesis.liquify import displacement, inverse_displacement
from harness.data.synthesis.retouch import Face, middle_face, moved_jaw

SIZE = 200
RANDOM = np.random.default_rng(0)
AT = RANDOM.uniform(55, 145, (12, 2))
MOVED = AT + RANDOM.uniform(-3, 3, AT.shape)
PIXELS = np.mgrid[:SIZE, :SIZE][::-1].astype(float)
CENTRE, RADIUS = (104.0, 97.0), (90.0, 95.0)
# The distance from the centre as a share of the ellipse's.
AWAY = np.hypot(*((PIXELS[axis] - CENTRE[axis]) / RADIUS[axis] for axis in (0, 1)))


def handles(to: np.ndarray) -> Handles:
    return Handles(CENTRE, RADIUS, *(tuple(map(tuple, places)) for places in (AT, to)))


def test_landmarks_that_stay_move_nothing() -> None:
    assert np.abs(displacement([handles(AT)], SIZE, SIZE)).max() < 1e-6


@pytest.mark.parametrize("angle", [0.0, 0.3, -2.0])
def test_a_rigid_motion_of_all_landmarks_is_that_motion_everywhere(angle: float) -> None:
    at, points = AT @ (1, 1j), (PIXELS[0] + 1j * PIXELS[1]).ravel()[::97]

    def motion(places: np.ndarray) -> np.ndarray:
        return np.exp(1j * angle) * places + 7 - 4j

    assert np.allclose(rigid(points, at, motion(at)), motion(points))


def test_landmarks_arrive_and_nothing_moves_outside_of_the_ellipse() -> None:
    shift = handles(MOVED).shift(MOVED.T)
    assert np.abs(MOVED.T + shift - AT.T).max() < 0.1
    field = displacement([handles(MOVED)], SIZE, SIZE)
    assert (field[:, AWAY >= 1] == 0).all()
    assert (field[:, AWAY < 0.55] != 0).any(axis=0).all()


def test_the_inverse_leads_every_pixel_back() -> None:
    back = PIXELS + inverse_displacement([handles(MOVED)], SIZE, SIZE)
    assert np.abs(back + handles(MOVED).shift(back) - PIXELS).max() < 1e-4


def test_the_inverse_ends_where_whole_steps_would_go_back_and_forth() -> None:
    """This jaw stretches the picture to more than twice its size at one place."""
    jaw = moved_jaw(middle_face(128), np.random.default_rng(184))
    pixels = PIXELS[:, :128, :128]
    back = pixels + inverse_displacement([jaw], 128, 128)
    assert np.abs(back + jaw.shift(back) - pixels).max() < 1e-4


def test_no_jaw_that_is_drawn_folds() -> None:
    for seed in range(40):
        for face in (Face(100, 90, 40, 60), Face(100, 90, 38, 55)):
            moved_jaw(face, np.random.default_rng(seed))


def test_landmarks_that_would_fold_the_picture_are_refused() -> None:
    with pytest.raises(ValueError, match="fold"):
        handles(AT[::-1])
