"""Pictures restored by moving their pixels: what moves, how far, and that nothing else changes."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter
from torch import Tensor, device

from harness.data.files.photograph import Photograph
from harness.data.files.picture_reading import Picture
from harness.data.synthesis.liquify import Stroke, displacement, inverse_displacement, resample
from harness.evaluation.restore_by_field import CUBIC_REACH, changed_bounds, find_maps, move_pixels
from harness.training.networks import WarpUnet
from harness.training.warping import move, suppress_short

HEIGHT, WIDTH = 160, 128
STROKE = Stroke((64.0, 90.0), (40.0, 40.0), push=(5.0, -2.0))
WIDER = Stroke((64.0, 90.0), (43.0, 43.0), push=(5.0, -2.0))


def scaled(stroke: Stroke, times: float) -> Stroke:
    (x, y), (wide, high), (right, down) = stroke.centre, stroke.radius, stroke.push
    return Stroke(
        (times * x, times * y), (times * wide, times * high), (times * right, times * down)
    )


def field_of(stroke: Stroke) -> Tensor:
    """The maps of a generator that undoes a stroke on a picture of 128 x 160."""
    field = torch.from_numpy(inverse_displacement([stroke], HEIGHT, WIDTH)).float()
    still = suppress_short(field[None], 0.01)
    return torch.cat([still, torch.zeros(1, 3, HEIGHT, WIDTH)], 1)


def portrait(height: int, width: int) -> Picture:
    """Smooth bytes `[h, w, 3]`."""
    random = np.random.default_rng(0)
    small = Image.fromarray(random.integers(60, 196, (9, 7, 3), dtype=np.uint8))
    return np.asarray(small.resize((width, height), Image.Resampling.BICUBIC))


def moved(
    values: NDArray[Any], maps: Tensor, mode: str = "RGB", white: int = 255
) -> NDArray[np.int64]:
    return move_pixels(Photograph(values, mode), maps, white)[0].astype(np.int64)


@pytest.mark.parametrize("times", [0.5, 1, 2, 3])
@pytest.mark.parametrize("deep", [False, True])
def test_a_known_warp_is_undone_at_any_size(
    times: float, deep: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the field found at 128 px; pixels outside of it keep every bit."""
    height, width = int(HEIGHT * times), int(WIDTH * times)
    original = portrait(height, width)
    warp = displacement([scaled(STROKE, times)], height, width)
    retouched = resample(original, warp)
    # Bands that cut through the region must not show.
    monkeypatch.setattr("harness.evaluation.restore_by_field.BAND_PIXELS", int(128 * times * 37))
    scale = 257 if deep else 1
    values = retouched.astype(np.uint16) * 257 if deep else retouched
    restored = moved(values, field_of(STROKE), white=255 * scale)
    assert np.abs(retouched.astype(int) - original).max() > 15
    assert np.abs(restored - original.astype(int) * scale).max() <= 3 * scale
    # The field is interpolated: up to its last pixel at its own size, and no further.
    untouched = (displacement([scaled(WIDER, times)], height, width) == 0).all(0)
    assert (restored[untouched] == values[untouched]).all()
    assert untouched.mean() > 0.5


def test_at_twice_the_size_pixels_move_twice_as_far() -> None:
    maps = field_of(STROKE)
    once = move_pixels(Photograph(portrait(HEIGHT, WIDTH), "RGB"), maps, 255)[1]
    twice = move_pixels(Photograph(portrait(2 * HEIGHT, 2 * WIDTH), "RGB"), maps, 255)[1]
    assert np.abs(once.transpose(2, 0, 1) - maps[0, :2].numpy()).max() < 1e-4
    assert np.abs(once).max() > 3
    averaged = twice.reshape(HEIGHT, 2, WIDTH, 2, 2).mean((1, 3))
    assert np.abs(averaged - 2 * once).max() < 0.1


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("size", [(160, 128), (331, 257)])
def test_flips_commute(axis: int, size: tuple[int, int]) -> None:
    picture, maps = portrait(*size), field_of(STROKE)
    flipped = maps.flip(2 + axis)
    flipped[:, 1 - axis] *= -1
    there = np.flip(moved(picture, maps), axis)
    assert (there != np.flip(picture, axis)).any()
    assert np.abs(moved(np.flip(picture, axis), flipped) - there).max() <= 1


@settings(max_examples=30, deadline=None)
@given(
    height=st.integers(1, 90),
    width=st.integers(1, 90),
    mode=st.sampled_from(["L", "LA", "RGB", "RGBA", "CMYK"]),
    deep=st.booleans(),
    seed=st.integers(0, 99),
)
def test_without_a_displacement_every_bit_stays(
    height: int, width: int, mode: str, deep: bool, seed: int
) -> None:
    """Also where there is one elsewhere: pixels change where the displacement is not 0."""
    random = np.random.default_rng(seed)
    kind, white = (np.uint16, 65535) if deep else (np.uint8, 255)
    values = random.integers(0, white + 1, (height, width, len(mode)), dtype=kind)
    photograph = Photograph(values, mode)
    maps = torch.zeros(1, 5, 20, 16)
    same, nothing = move_pixels(photograph, maps, white)
    assert same.dtype == kind
    assert (same == values).all()
    assert not nothing.any()
    maps[:, :2, 5:9, 4:8] = torch.from_numpy(random.normal(0, 1, (2, 4, 4))).float()
    changed, displacement = move_pixels(photograph, maps, white)
    still = (displacement == 0).all(2)
    assert (changed[still] == values[still]).all()


def test_a_shift_by_whole_pixels_gives_the_values_that_stand_there() -> None:
    random = np.random.default_rng(0)
    values = random.integers(0, 65536, (60, 80, 3), dtype=np.uint16)
    maps = torch.zeros(1, 5, 60, 80)
    maps[:, 0], maps[:, 1] = 3, -2
    found = moved(values, maps, white=65535)
    assert np.abs(found[2:, :-3] - values[:-2, 3:]).max() <= 1


@pytest.mark.parametrize("white", [255, 4095, 65535])
def test_clear_pixels_lend_no_colour_to_those_that_are_seen(white: int) -> None:
    """A red figure cut out of green that is not seen: its outline moves, and stays red."""
    values = np.zeros((HEIGHT, WIDTH, 4), np.uint8 if white == 255 else np.uint16)
    values[..., 1] = white
    values[40:120, 30:100] = (white, 0, 0, white)
    found = moved(values, field_of(STROKE), "RGBA", white)
    assert (found[..., 3] != values[..., 3]).any()
    seen = found[..., 3] > 0.08 * white
    assert found[seen][:, 0].min() >= 0.98 * white
    assert found[seen][:, 1].max() <= 0.02 * white


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "CMYK", "RGBA"])
def test_a_correction_is_one_of_light_whatever_the_colours_are(mode: str) -> None:
    """More red and green, less blue: less cyan and magenta, more yellow."""
    values = np.full((40, 32, len(mode)), 100, np.uint8)
    maps = torch.zeros(1, 5, 40, 32)
    light = np.array([0.21, 0.1, -0.1])
    maps[:, 2:] = torch.from_numpy(light).view(3, 1, 1)
    found = moved(values, maps, mode)[20, 16].tolist()
    more, less = ([round(100 + sign * 127.5 * part) for part in light] for sign in (1, -1))
    grey = round(100 + 127.5 * (0.299 * light[0] + 0.587 * light[1] + 0.114 * light[2]))
    wanted = {"L": [grey], "RGB": more, "CMYK": [*less, 100]}
    wanted |= {f"{kind}A": [*wanted[kind], 100] for kind in ("L", "RGB")}
    assert found == wanted[mode]


def test_a_displacement_of_a_few_pixels_is_sampled_as_in_the_whole_picture() -> None:
    """At its outermost places too, which read pixels beside those that move."""
    random = np.random.default_rng(0)
    values = random.integers(0, 256, (40, 30, 3), dtype=np.uint8)
    maps = torch.zeros(1, 5, 40, 30)
    maps[:, 0, 10:14, 12:15], maps[:, 1, 10:14, 12:15] = 2.4, -1.6
    found = moved(values, maps)
    whole = move(torch.from_numpy(values.transpose(2, 0, 1).astype(np.float32))[None], maps[:, :2])
    wanted = whole[0].round().clamp(0, 255).permute(1, 2, 0).numpy()
    assert np.abs(found - wanted).max() <= 1
    assert (found != values).any(2).sum() >= 11


def test_values_stay_within_the_bits_that_pictures_use() -> None:
    """12 bits in 16: what bicubic sampling overshoots at an edge is cut at 4,095."""
    values = np.zeros((HEIGHT, WIDTH, 3), np.uint16)
    values[:, 64:] = 4095
    found = moved(values, field_of(STROKE), white=4095)
    assert found.min() == 0
    assert found.max() == 4095


def test_only_what_the_maps_touch_is_looked_at() -> None:
    maps = torch.zeros(1, 5, 40, 30)
    assert changed_bounds(maps, 400, 300) == (slice(0, 0), slice(0, 0))
    maps[0, 4, 10:12, 20] = 1
    rows, columns = changed_bounds(maps, 400, 300)
    assert (rows.start, rows.stop) == (10 * (10 - CUBIC_REACH), 10 * (12 + CUBIC_REACH) + 1)
    assert (columns.start, columns.stop) == (10 * (20 - CUBIC_REACH), 10 * (21 + CUBIC_REACH) + 1)
    maps[0, 0, 0, 0] = maps[0, 0, -1, -1] = 1
    assert changed_bounds(maps, 400, 300) == (slice(0, 400), slice(0, 300))


class Knowing(WarpUnet):
    """One that finds the same maps in whatever picture, at a width of 128."""

    def __init__(self, maps: Tensor) -> None:
        super().__init__(7, 4, "none", False, WIDTH)
        self.known = maps

    def predict(self, x: Tensor) -> tuple[Tensor, Tensor]:
        assert x.shape[-2:] == self.known.shape[-2:]
        return self.known[:, :2], self.known[:, 2:]


def maps_in(picture: Picture, known: Tensor, multiple: int = WIDTH) -> Tensor:
    return find_maps(Knowing(known), picture, multiple, device("cpu"))


@pytest.mark.parametrize(("height", "width"), [(240, 192), (64, 160), (16, 4096)])
def test_maps_are_found_at_the_trained_width_and_the_picture_s_own_proportions(
    height: int, width: int
) -> None:
    rows = max(1, round(height * WIDTH / width))
    maps = torch.zeros(1, 5, max(16, rows), WIDTH)
    maps[:, 0, rows // 2] = 5.0
    assert maps_in(portrait(height, width), maps, 1).shape == (1, 5, rows, WIDTH)


def test_steps_from_pixel_to_pixel_of_a_field_are_not_enlarged() -> None:
    """They would show as waves; in a picture of the field's own width all stays as it is."""
    smooth = torch.zeros(1, 5, WIDTH, WIDTH)
    smooth[:, :2] = torch.from_numpy(displacement([STROKE], WIDTH, WIDTH))
    board = 0.4 * (torch.arange(WIDTH)[:, None] + torch.arange(WIDTH)).remainder(2) - 0.2
    rough = smooth.clone()
    rough[:, :2] += board
    for times, most in ((1, 0.3), (3, 0.1)):
        picture = portrait(times * WIDTH, times * WIDTH)
        found = maps_in(picture, rough)
        apart = (found - smooth)[:, :2].norm(dim=1)
        assert float(apart[:, 20:-20, 20:-20].max()) < most
        assert (float(apart.mean()) > 0.2) == (times == 1)
    wanted = gaussian_filter(rough[0, :2].numpy(), (0, 1, 1), mode="nearest")  # of one pixel
    long = np.hypot(*wanted) > 0.2
    assert np.abs(found[0, :2].numpy() - wanted)[:, long].max() < 1e-4


def test_trembling_counts_as_no_displacement() -> None:
    """Below 0.05 % of the width, and corrections below half a grey level."""
    random = torch.Generator().manual_seed(0)
    maps = torch.randn(1, 5, WIDTH, WIDTH, generator=random)
    maps[:, :2] *= 0.0004 * WIDTH / maps[:, :2].norm(dim=1).max()
    maps[:, 2:] *= 0.9 / 255 / maps[:, 2:].norm(dim=1).max()
    for side in (WIDTH, 200):
        picture = portrait(side, side)
        assert not maps_in(picture, maps).any()
        stronger = maps_in(picture, 40 * maps)
        assert stronger[:, :2].any()
        assert stronger[:, 2:].any()
        even = torch.zeros(1, 5, WIDTH, WIDTH)
        even[:, 0] = 0.0011 * WIDTH  # above twice that, in a picture of any size
        found = maps_in(picture, even)
        torch.testing.assert_close(found, even)
