"""How portraits are retouched: each part of a face, the jaw, and the traces that tools leave."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from harness.data.files.scikit_image import scikit_image_file
from harness.data.synthesis.handles import Handles
from harness.data.synthesis.liquify import Stroke, displacement
from harness.data.synthesis.retouch import Face, moved_jaw, retouch
from harness.data.synthesis.traces import Traces, apply_traces, draw_traces, softened

FACE = Face(x=128, y=112, half_width=51, half_height=77)


def test_retouchings_differ_in_strength_symmetry_and_length() -> None:
    """One that slims every jaw alike teaches nothing about other tools."""
    drawn = [retouch(FACE, np.random.default_rng(seed)) for seed in range(120)]
    assert 0.3 < np.mean([isinstance(strokes[0], Handles) for strokes in drawn]) < 0.7
    fields = np.stack([displacement(strokes, 256, 256) for strokes in drawn])
    # How far each side of the jaw is pushed inwards, in the rows from the mouth to the chin.
    jaw = fields[:, 0, 140:180]
    left, right = -jaw[:, :, 60:100].mean(axis=(1, 2)), jaw[:, :, 156:196].mean(axis=(1, 2))
    assert (left + right > 0).mean() > 0.95
    assert (np.minimum(left, right) < 0.25 * np.maximum(left, right)).mean() > 0.05
    pushed = (left + right) / 2
    assert np.quantile(pushed, 0.9) > 2 * np.quantile(pushed, 0.1)
    largest = np.hypot(fields[:, 0], fields[:, 1]).max(axis=(1, 2)) / 256
    assert (largest > 0.004).all()
    assert (largest < 0.08).all()


def test_each_part_of_a_face_is_changed_as_documented(monkeypatch: pytest.MonkeyPatch) -> None:
    """The jaw narrower, the face shorter or longer, the nose narrower, both eyes larger."""
    jaw = Stroke((0, 0), (1, 1))
    monkeypatch.setattr("harness.data.synthesis.retouch.moved_jaw", lambda *_: jaw)
    drawn = [retouch(FACE, np.random.default_rng(seed)) for seed in range(300)]
    by_place: dict[tuple[float, ...], list[tuple[float, float]]] = {}
    for strokes in drawn:
        for stroke in strokes:
            if isinstance(stroke, Stroke) and stroke.push == (0, 0) and stroke is not jaw:
                key = (*np.round(stroke.centre, 2).tolist(), *np.round(stroke.radius, 2).tolist())
                by_place.setdefault(key, []).append(stroke.pinch)
    wide, long = (128, 150.5, 81.6, 61.2), (128, 154.35, 66.3, 45.9)
    nose, eyes = (128, 123.55, 20.4, 25.5), [(x, 98.14, 16.32, 13.26) for x in (106.58, 149.42)]
    assert by_place.keys() == {wide, long, nose, *eyes}
    for place, axis, low, high, share in (
        (wide, 0, 0.04, 0.12, 0.4),
        (long, 1, -0.08, 0.08, 0.5),
        (nose, 0, 0.08, 0.16, 0.4),
        (eyes[0], 0, -0.14, -0.06, 0.4),
    ):
        pinches = np.array(by_place[place])
        assert low <= pinches[:, axis].min() < low + 0.01 < high - 0.01 < pinches[:, axis].max()
        assert pinches[:, axis].max() <= high
        assert len(pinches) / 300 == pytest.approx(share, abs=0.1)
        assert place in eyes or (pinches[:, 1 - axis] == 0).all()
    assert np.mean([pinch[1] > 0 for pinch in by_place[long]]) == pytest.approx(2 / 3, abs=0.1)
    assert by_place[eyes[0]] == by_place[eyes[1]]
    assert all(x == y for x, y in by_place[eyes[0]])


def test_a_jaw_moves_inwards_and_up_and_all_else_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """By up to a fifth of the half width; on one side only in about one of seven."""
    monkeypatch.setattr("harness.data.synthesis.retouch.Handles", SimpleNamespace)
    one_sided = 0
    for seed in range(200):
        jaw = moved_jaw(FACE, np.random.default_rng(seed))
        assert (jaw.centre, jaw.radius) == ((128, 112), pytest.approx((96.9, 146.3)))
        at, to = np.array(jaw.at), np.array(jaw.to)
        moved = to - at
        inward = -moved[:11, 0] * np.sign(at[:11, 0] - 128)
        assert (inward > -0.002).all()
        assert 1 < inward.max() <= 0.2 * 51 + 0.001
        assert (moved[:12, 1] < 0.002).all()
        assert moved[5, 1] == pytest.approx(moved[:12, 1].min(), abs=0.002)  # the chin, most
        assert (at[:11, 1] > 112).all()  # the lower half of the face
        assert moved[11, 0] == 0  # the mouth, which is lifted
        assert moved[11, 1] == pytest.approx(0.4 * moved[5, 1], abs=0.002)
        assert (moved[12:] == 0).all()
        one_sided += min(inward[:5].max(), inward[6:].max()) < 0.002
    assert 0.07 < one_sided / 200 < 0.25


def test_traces_are_those_of_different_tools() -> None:
    drawn = [draw_traces(256, np.random.default_rng(seed), None) for seed in range(200)]
    assert 0.35 < np.mean([traces.soft_everywhere > 0 for traces in drawn]) < 0.65
    assert 0.35 < np.mean([traces.jpeg is not None for traces in drawn]) < 0.65
    for soft, most in (("soft_moved", 0.0035), ("soft_everywhere", 0.0025)):
        assert 0.95 * most < max(getattr(traces, soft) for traces in drawn) / 256 <= most
    qualities = {traces.jpeg for traces in drawn} - {None}
    assert (min(qualities), max(qualities)) == (75, 97)
    # What is moved is resampled with the rest, and never sharper than that.
    assert all(traces.soft_everywhere <= traces.soft_moved for traces in drawn)
    assert draw_traces(256, np.random.default_rng(0), 60).jpeg == 60


def test_only_what_moves_is_softened_unless_all_is() -> None:
    astronaut = np.asarray(Image.open(scikit_image_file("astronaut.png")))[:256, 100:356]
    field = displacement([Stroke((128, 110), (40, 40), push=(10, 0))], 256, 256)
    still = ~(np.hypot(*field) > 0)
    local = softened(astronaut, field, 1.0)
    assert np.array_equal(local[still], astronaut[still])
    # In the middle of the stroke it is the Gaussian itself.
    blurred = gaussian_filter(astronaut.astype(float), (1, 1, 0))
    assert np.abs(local[110, 128] - blurred[110, 128]).max() <= 0.5
    # What moves half as far as what is fully softened, is softened half.
    little = np.broadcast_to(np.array([0.0015, -0.002])[:, None, None] * 256, field.shape)
    between = (astronaut + blurred) / 2
    assert np.abs(softened(astronaut, little, 1.0) - between).max() <= 0.51
    everywhere = apply_traces(Traces(1.0, 1.0, None), astronaut, field)
    assert np.abs(everywhere - blurred).max() <= 0.5
    assert np.array_equal(softened(astronaut, field, 0.0), astronaut)
