"""One pass over a picture's pixels gives the same values as whole-picture filters."""

import io

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter, laplace, maximum_filter

from harness.data.check.facts import likeness
from harness.data.check.texture import BAND, texture
from harness.data.files.overlapping_crops import SCALES, blurred, largest_near
from harness.data.files.scikit_image import scikit_image_file


def grey(side: int, name: str = "astronaut.png") -> np.ndarray:
    photograph = Image.open(scikit_image_file(name)).convert("L")
    return np.asarray(photograph.resize((side, side + 37), Image.Resampling.LANCZOS))


@pytest.mark.parametrize(("side", "cell"), [(40, 1), (300, 1), (700, 2), (1100, 4)])
def test_cells_equal_the_means_of_whole_picture_filters(side: int, cell: int) -> None:
    luma = grey(side)
    found = texture(luma)
    assert found.cell == cell
    height, width = (length // cell for length in luma.shape)
    for values, cells in (
        (luma.astype(np.float64), found.tone),
        (np.square(laplace(luma.astype(np.float64))), found.detail),
    ):
        inside = values[: height * cell, : width * cell]
        means = inside.reshape(height, cell, width, cell).mean(axis=(1, 3))
        assert cells.shape == means.shape
        assert np.allclose(cells, means, rtol=1e-4, atol=1e-2)


def test_jpeg_blocks_are_found_for_any_band_size(monkeypatch: pytest.MonkeyPatch) -> None:
    luma = grey(400)
    buffer = io.BytesIO()
    Image.fromarray(luma).save(buffer, "JPEG", quality=25)
    squeezed = np.asarray(Image.open(buffer))
    plain, blocky = texture(luma).blocks, texture(squeezed).blocks
    assert abs(plain - 1) < 0.05
    assert blocky > 1.3
    for band in (1, 8, BAND + 1, 10_000):
        monkeypatch.setattr("harness.data.check.texture.BAND", band)
        assert texture(squeezed).blocks == pytest.approx(blocky, rel=1e-5)


def test_scales_are_gaussians_with_mirrored_borders() -> None:
    luma = grey(128).astype(np.float32)
    for level, scale in zip(blurred(luma), SCALES, strict=True):
        assert np.abs(level - gaussian_filter(luma, scale, truncate=6)).max() < 0.1


def test_largest_near_is_scipys_maximum_filter() -> None:
    values = np.random.default_rng(0).normal(size=(7, 33, 21)).astype(np.float32)
    before = values.copy()
    assert np.array_equal(largest_near(values), maximum_filter(values, (3, 5, 5)))
    assert np.array_equal(values, before)


def test_pictures_of_one_tone_are_alike_if_their_tones_are() -> None:
    tones = [texture(np.full((64, 80), tone, np.uint8)) for tone in (90, 97, 98)]
    face = texture(grey(128))
    assert [likeness(tones[0], other) for other in (*tones, face)] == [1, 1, 0, 0]
    assert likeness(face, face) == pytest.approx(1)
    assert likeness(face, texture(255 - grey(128))) == pytest.approx(-1)
