"""The warp: exact, invertible, local, and no blur of its own."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.transform import warp

from harness.data.synthesis.liquify import Stroke, displacement, inverse_displacement, resample

SIZE = 96


@st.composite
def strokes(draw: st.DrawFn) -> Stroke:
    radius = draw(st.floats(10, 40)), draw(st.floats(10, 40))
    most = 0.3 * min(radius)
    return Stroke(
        centre=(draw(st.floats(0, SIZE)), draw(st.floats(0, SIZE))),
        radius=radius,
        push=(draw(st.floats(-most, most)), draw(st.floats(-most, most))),
        pinch=(draw(st.floats(-0.08, 0.08)), draw(st.floats(-0.08, 0.08))),
    )


@settings(max_examples=30, deadline=None)
@given(st.lists(strokes(), min_size=1, max_size=4))
def test_inverse_leads_every_pixel_back(several: list[Stroke]) -> None:
    grid = np.mgrid[:SIZE, :SIZE][::-1].astype(np.float64)
    there = displacement(several, SIZE, SIZE)
    back = inverse_displacement(several, SIZE, SIZE)

    def pulled(points: np.ndarray) -> np.ndarray:
        """Where retouched points come from: the last stroke is undone first."""
        for stroke in several[::-1]:
            points = points + stroke.shift(points)
        return points

    assert np.abs(pulled(grid) - (grid + there)).max() < 1e-4
    assert np.abs(pulled(grid + back) - grid).max() < 1e-3


@settings(max_examples=30, deadline=None)
@given(st.lists(strokes(), max_size=3))
def test_what_no_stroke_reaches_keeps_its_bytes(several: list[Stroke]) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
    y, x = np.mgrid[:SIZE, :SIZE]
    untouched = np.ones((SIZE, SIZE), bool)
    for stroke in several:
        (cx, cy), (rx, ry) = stroke.centre, stroke.radius
        untouched &= ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 > 1
    out = resample(picture, displacement(several, SIZE, SIZE))
    assert np.array_equal(out[untouched], picture[untouched])


def test_a_push_moves_content_the_way_it_points() -> None:
    picture = np.zeros((SIZE, SIZE, 3), np.uint8)
    picture[46:51, 38:43] = 255
    field = displacement([Stroke((40, 48), (24, 24), push=(6, 0))], SIZE, SIZE)
    columns = resample(picture, field)[:, :, 0].sum(axis=0)
    assert 44 < np.average(np.arange(SIZE), weights=columns) < 47


@pytest.mark.parametrize(("pinch", "grows"), [(0.3, False), (-0.3, True)])
def test_pinch_shrinks_and_bloat_enlarges(pinch: float, grows: bool) -> None:
    y, x = np.mgrid[:SIZE, :SIZE]
    disc = np.repeat(((np.hypot(x - 48, y - 48) < 10) * 255).astype(np.uint8)[:, :, None], 3, 2)
    field = displacement([Stroke((48, 48), (40, 40), pinch=(pinch, pinch))], SIZE, SIZE)
    change = resample(disc, field).sum() / disc.sum()
    assert (change > 1.1) if grows else (change < 0.9)


@pytest.mark.parametrize("bad", [{"push": (20.0, 0.0)}, {"pinch": (0.0, 1.5)}])
def test_a_stroke_that_folds_the_picture_is_refused(bad: dict[str, tuple[float, float]]) -> None:
    with pytest.raises(ValueError, match="folds"):
        Stroke((10, 10), (12, 12), **bad)


@pytest.mark.parametrize(
    ("within", "beyond"),
    [
        ({"push": (0.0, 7.7)}, {"push": (0.0, 7.9)}),
        ({"push": (-4.7, 6.0)}, {"push": (-5.0, 6.1)}),
        ({"pinch": (0.0, 0.49)}, {"pinch": (-0.51, 0.0)}),
        ({"push": (3.8, 0.0), "pinch": (0.24, 0.0)}, {"push": (4.0, 0.0), "pinch": (0.25, 0.0)}),
    ],
)
def test_a_stroke_may_be_as_strong_as_its_narrow_radius_allows(
    within: dict[str, tuple[float, float]], beyond: dict[str, tuple[float, float]]
) -> None:
    Stroke((10, 10), (24, 12), **within)
    with pytest.raises(ValueError, match="folds the picture"):
        Stroke((10, 10), (24, 12), **beyond)
    with pytest.raises(ValueError, match="needs radii above 0"):
        Stroke((10, 10), (24, 0))


def test_the_warp_itself_does_not_blur() -> None:
    """Energy lost at each frequency by a warp and its inverse, beside bilinear resampling."""
    random = np.random.default_rng(1)
    spectrum = np.fft.rfft2(random.normal(size=(256, 256)))
    fy, fx = np.fft.fftfreq(256)[:, None], np.fft.rfftfreq(256)[None, :]
    spectrum[np.hypot(fy, fx) > 0.35] = 0  # 70% of Nyquist: beyond, photographs hold noise
    texture = np.fft.irfft2(spectrum, s=(256, 256))
    grey = np.clip(128 + 40 * texture / texture.std(), 0, 255).astype(np.uint8)
    picture = np.repeat(grey[:, :, None], 3, 2)
    several = [Stroke((128, 128), (110, 110), push=(9.5, 4.5))]
    there, back = displacement(several, 256, 256), inverse_displacement(several, 256, 256)
    middle = np.s_[64:192, 64:192, 0]

    def error(result: np.ndarray) -> float:
        return float(np.sqrt(np.square(result[middle].astype(float) - picture[middle]).mean()))

    def bilinear(source: np.ndarray, field: np.ndarray) -> np.ndarray:
        grid = np.mgrid[:256, :256] + field[::-1]
        return np.stack(
            [warp(source[:, :, c], grid, order=1, preserve_range=True) for c in range(3)], axis=2
        )

    ours = error(resample(resample(picture, there), back))
    plain = error(bilinear(bilinear(picture, there), back))
    contrast = float(picture[middle].std())
    assert ours < 0.04 * contrast
    assert plain > 3 * ours
