"""The constants of the score, each tested by an independent computation from its definition."""

import math

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import binary_dilation, gaussian_filter, laplace

from objectives.boundary_sharpness import BoundarySharpness
from objectives.laplacian import floors, luma, window_sigma
from objectives.masks import (
    close_gaps,
    dilate,
    moved_region,
    normalised_luma,
    region_by_difference,
    region_from_field,
    region_from_pair,
    ring,
)
from objectives.score import Reference, aggregate


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def objective() -> BoundarySharpness:
    return BoundarySharpness("random")


def square(side: int, low: int, high: int) -> torch.Tensor:
    mask = torch.zeros(1, 1, side, side, dtype=torch.bool)
    mask[..., low:high, low:high] = True
    return mask


@pytest.mark.parametrize(("side", "sigma"), [(128, 2.0), (200, 2.0), (256, 2.56), (1024, 10.24)])
def test_the_window_is_one_percent_of_the_short_side_and_two_pixels_at_least(
    side: int, sigma: float
) -> None:
    assert window_sigma(side) == pytest.approx(sigma)


def test_floors_are_the_variance_of_noise_of_two_grey_levels() -> None:
    impulse = np.zeros((41, 41))
    impulse[20, 20] = 1
    responses = [
        laplace(impulse),
        laplace(gaussian_filter(impulse, 1, radius=3)),
        4 * laplace(gaussian_filter(impulse, 2, radius=6)),
    ]
    expected = [(response**2).sum() * (2 / 255) ** 2 for response in responses]
    assert floors() == pytest.approx(expected, rel=1e-6)


def test_luma_is_that_of_bt_601() -> None:
    red, green, blue = torch.eye(3).view(3, 3, 1, 1)
    found = [float(luma(colour[None])) for colour in (red, green, blue)]
    assert found == pytest.approx([0.299, 0.587, 0.114])


@pytest.mark.parametrize(("side", "radius"), [(40, 1), (128, 3), (260, 5), (400, 8)])
def test_region_and_ring_are_dilated_by_two_percent(side: int, radius: int) -> None:
    mask = square(side, side // 3, 2 * side // 3)
    disc = np.hypot(*np.mgrid[-radius : radius + 1, -radius : radius + 1]) <= radius
    wider = binary_dilation(mask[0, 0].numpy(), disc)
    narrower = ~binary_dilation(~mask[0, 0].numpy(), disc)
    assert (dilate(mask)[0, 0].numpy() == wider).all()
    assert (ring(mask)[0, 0].numpy() == (wider & ~narrower)).all()


@pytest.mark.parametrize(("pixels", "scored"), [(5, True), (4, False)])
def test_a_region_of_half_a_thousandth_of_the_picture_is_scored(
    objective: BoundarySharpness, pixels: int, scored: bool
) -> None:
    """Five of 10,000 pixels."""
    masks = torch.cat([square(100, 40, 60), torch.zeros(1, 1, 100, 100, dtype=torch.bool)])
    masks[1, 0, 50, 50 : 50 + pixels] = True
    targets = drawn(2, 3, 100, 100)
    score = objective.against(Reference(("a", "b"), targets, masks, None))(targets)
    assert ("score" in score.per_image[1]) == scored
    assert score.components["n_scored"] == 1 + scored


def test_without_inputs_a_blurred_original_replaces_them(objective: BoundarySharpness) -> None:
    """With a sigma of 1.25% of the short side: 1.6 at 128 pixels."""
    target, mask = drawn(1, 3, 128, 128), square(128, 50, 80)
    blurred = gaussian_filter(target[0].numpy(), (0, 1.6, 1.6), mode="mirror", radius=(0, 5, 5))
    found, expected = (
        objective.against(Reference(("a",), target, mask, inputs))(target).components["lpips_noop"]
        for inputs in (None, torch.from_numpy(blurred)[None])
    )
    assert found == pytest.approx(expected, rel=1e-4)


def test_an_input_equal_to_the_original_has_the_minimum_lpips(
    objective: BoundarySharpness,
) -> None:
    """Otherwise any restored picture would be infinitely worse than the input."""
    target, mask = drawn(1, 3, 64, 64), square(64, 20, 40)
    restored = (target + 0.02 * drawn(1, 3, 64, 64, seed=1)).clamp(0, 1)
    found = objective.against(Reference(("a",), target, mask, target))(restored).components
    assert found["lpips"] > 0
    assert found["Lrel"] == pytest.approx(1000 * found["lpips"])


def test_the_score_is_the_exponential_of_the_error_terms(objective: BoundarySharpness) -> None:
    """Blur, excess detail and distance have equal weight, inside and on the ring."""
    target, mask = drawn(2, 3, 64, 64), square(64, 20, 40).expand(2, -1, -1, -1)
    restored = torch.stack([target[0] * 0.5 + 0.2, drawn(3, 64, 64, seed=1)])
    inputs = drawn(2, 3, 64, 64, seed=2)
    rows = objective.against(Reference(("a", "b"), target, mask, inputs))(restored).per_image
    for row in rows:
        for place in ("", "ring_"):
            parts = [float(row[f"{place}{name}"]) for name in ("D", "E", "Lrel")]
            assert float(row[f"{place}score"]) == pytest.approx(math.exp(-sum(parts)), rel=1e-5)
            assert parts[2] == pytest.approx(
                float(row[f"{place}lpips"]) / float(row[f"{place}lpips_noop"]), rel=1e-5
            )
    assert float(rows[0]["D"]) > 10 * float(rows[0]["E"])  # half the contrast: blur
    assert float(rows[0]["D"]) == pytest.approx(math.log(4), rel=0.05)  # a quarter of the variance


@pytest.mark.parametrize(
    ("direction", "worst"), [("maximize", [0.0, 1.0, 2.0]), ("minimize", [24.0, 23.0, 22.0])]
)
def test_a_set_has_means_a_median_and_its_worst_tenth(direction: str, worst: list[float]) -> None:
    """The worst three of 25 pictures; pictures without a score are in no mean."""
    values = [float(number) for number in np.random.default_rng(0).permutation(25)]
    rows: list[dict[str, float | str]] = [
        {"name": str(k), "score": value, "D": value**2} for k, value in enumerate(values)
    ]
    found = aggregate([*rows, {"name": "z", "skipped": "small"}], direction)  # type: ignore[arg-type]
    assert found.value == 12
    assert found.components == {
        "D": pytest.approx(sum(value**2 for value in values) / 25),
        "median": 12,
        "worst_tenth": sum(worst) / 3,
        "n": 26,
        "n_scored": 25,
    }


def test_the_median_is_not_the_mean() -> None:
    rows: list[dict[str, float | str]] = [
        {"name": str(value), "score": value} for value in (0.1, 0.2, 0.9, 0.3)
    ]
    found = aggregate(rows, "maximize")
    assert found.components["median"] == pytest.approx(0.25)
    assert found.value == pytest.approx(0.375)


def test_a_difference_of_nine_grey_levels_in_one_colour_counts() -> None:
    original = torch.full((3, 1, 4), 100, dtype=torch.uint8)
    retouched = original.clone()
    for column, (channel, step) in enumerate([(0, 8), (1, 9), (2, -9), (2, -8)]):
        retouched[channel, 0, column] += step
    assert region_by_difference(retouched, original).tolist() == [[[False, True, True, False]]]


def test_a_displacement_of_a_thousandth_of_the_short_side_counts() -> None:
    field = torch.zeros(2, 200, 400)
    field[1, 5, 5], field[1, 5, 9] = 0.201, -0.199
    assert region_from_field(field).nonzero().tolist() == [[0, 5, 5]]


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"field is \[\.\.\., 2, h, w\], not \[3, 8, 8\]"):
        region_from_field(torch.zeros(3, 8, 8))
    with pytest.raises(ValueError, match=r"of one size, not \[3, 8, 8\] and \[3, 8, 9\]"):
        region_from_pair(torch.zeros(3, 8, 8), torch.zeros(3, 8, 9))


def test_gaps_and_small_parts_of_the_region_are_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    """At 200 pixels: above 0.8 px, gaps up to 4 px closed, holes filled, at least 20 pixels."""
    flow = np.zeros((2, 200, 200))
    flow[0, 20:80, 20:100] = 0.9
    flow[0, 20:80, 58:62] = 0.7  # a gap of four pixels
    flow[1, 120:160, 20:60] = -0.9
    flow[1, 130:150, 30:50] = 0.0  # a hole
    flow[0, 120:180, 100:140] = 0.79
    flow[0, 10:14, 150:155] = 2.0  # twenty pixels
    flow[0, 30, 150:169] = 2.0  # nineteen

    def flow_of(reference: np.ndarray, moved: np.ndarray) -> np.ndarray:
        assert (reference < moved).all()  # from original to retouched
        return flow

    monkeypatch.setattr("skimage.registration.optical_flow_tvl1", flow_of)
    picture = np.zeros((200, 200), np.float32)
    found = moved_region(picture + 1, picture)
    expected = np.zeros((200, 200), bool)
    expected[20:80, 20:100] = expected[120:160, 20:60] = expected[10:14, 150:155] = True
    for end in (slice(20, 22), slice(78, 80)):  # a disc does not close the ends of a gap
        expected[end, 58:62] = found[end, 58:62]
    assert (found == expected).all()
    wide = np.ones((20, 40), bool)
    wide[:, 10:15] = False
    assert not close_gaps(wide, 2)[:, 10:15].any()


@pytest.mark.parametrize("shape", [(160, 240), (240, 160)])
def test_without_inputs_the_blur_depends_on_the_short_side(
    objective: BoundarySharpness, shape: tuple[int, int]
) -> None:
    """1.25% of it: exactly that blur of the original is no better than doing nothing."""
    target = drawn(1, 3, *shape)
    mask = torch.zeros(1, 1, *shape, dtype=torch.bool)
    mask[..., 60:100, 60:100] = True
    blurred = gaussian_filter(target.numpy(), (0, 0, 2, 2), mode="mirror", radius=(0, 0, 6, 6))
    score = objective.against(Reference(("a",), target, mask, None))(torch.from_numpy(blurred))
    assert score.components["Lrel"] == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(
    ("size", "small"),
    [((300, 600), (256, 512)), ((1024, 512), (512, 256)), ((200, 90), (200, 90))],
)
def test_movement_is_looked_for_at_a_short_side_of_256_pixels(
    size: tuple[int, int], small: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Smaller pictures as they are, long ones no smaller than square ones."""
    seen = []

    def all_moves(moved: np.ndarray, still: np.ndarray) -> np.ndarray:
        seen.extend([moved.shape, still.shape])
        return np.ones(still.shape, np.bool_)

    monkeypatch.setattr("objectives.masks.moved_region", all_moves)
    picture = torch.rand(3, *size, generator=torch.Generator().manual_seed(0))
    region = region_from_pair(picture, picture)
    assert seen == [small, small]
    assert region.shape == (1, *size)
    assert region.all()


@pytest.mark.parametrize("kind", [torch.uint8, torch.float32])
@pytest.mark.parametrize("times", [1, 3])
def test_movement_is_looked_for_in_luma_of_even_mean_and_contrast(
    times: int, kind: torch.dtype
) -> None:
    """Minus its mean in a Gaussian of 3 % of the short side, by a fifth of its deviation there.

    Pillow's scaling, like ours, lets no detail through that the small picture cannot hold.
    """
    picture = (drawn(3, times * 50, times * 80) * 255).round()
    whole = np.tensordot([0.299, 0.587, 0.114], picture.numpy() / 255, 1).astype(np.float32)
    luma = np.asarray(Image.fromarray(whole).resize((80, 50), Image.Resampling.BILINEAR))
    centred = luma - gaussian_filter(luma, 1.5)
    deviation = np.sqrt(gaussian_filter(centred**2, 1.5))
    found = normalised_luma((picture if kind == torch.uint8 else picture / 255).to(kind), (50, 80))
    np.testing.assert_allclose(found, 0.2 * centred / (deviation + 0.03), atol=1e-4)


def test_a_region_found_in_a_small_copy_is_enlarged_to_its_own_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its edge is where it was, halfway between pixels; and the retouched picture is the moved."""
    bright, dark = torch.ones(3, 64, 96), torch.zeros(3, 64, 96)
    bright[:, ::2] = 0.0

    def lower_right(moved: np.ndarray, still: np.ndarray) -> np.ndarray:
        assert moved.shape == still.shape == (16, 24)
        assert np.abs(moved).max() > np.abs(still).max() == 0
        region = np.zeros(still.shape, np.bool_)
        region[4:, 10:] = True
        return region

    monkeypatch.setattr("objectives.masks.moved_region", lower_right)
    found = region_from_pair(bright, dark, side=16)
    expected = torch.zeros(1, 64, 96, dtype=torch.bool)
    expected[:, 16:, 40:] = True
    assert (found != expected).sum() <= 16  # of its corner


def test_the_window_of_a_long_picture_is_that_of_its_short_side(
    objective: BoundarySharpness,
) -> None:
    """The variance of the 4-neighbour Laplacian within a Gaussian of 2 pixels, in the mask."""
    target = drawn(1, 3, 120, 500)
    mask = torch.zeros(1, 1, 120, 500, dtype=torch.bool)
    mask[..., 40:80, 60:160] = True
    score = objective.against(Reference(("a",), target, mask, target))(target)
    maps, where = laplace(luma(target)[0, 0].numpy(), mode="mirror"), dilate(mask)[0, 0].numpy()

    def windowed(values: np.ndarray) -> np.ndarray:
        return np.asarray(gaussian_filter(values * where, 2.0, mode="mirror", radius=6))

    norm = np.maximum(windowed(np.ones_like(maps)), 1e-6)
    variance = windowed(maps**2) / norm - (windowed(maps) / norm) ** 2
    expected = pytest.approx(float(variance[where].mean()), rel=1e-3)
    assert score.components["laplacian_variance"] == expected
