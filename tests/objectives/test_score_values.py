"""The score's constants by what they do: each figure from its definition, without our own code."""

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import binary_dilation, gaussian_filter, laplace

from objectives.boundary_sharpness import BoundarySharpness
from objectives.laplacian import floors, luma, window_sigma
from objectives.masks import closed, dilate, moving, region_by_difference, region_from_field, ring
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


def test_floors_are_what_noise_of_two_grey_levels_has_after_each_filter() -> None:
    impulse = np.zeros((41, 41))
    impulse[20, 20] = 1
    responses = [
        laplace(impulse),
        laplace(gaussian_filter(impulse, 1, radius=3)),
        4 * laplace(gaussian_filter(impulse, 2, radius=6)),
    ]
    wanted = [(response**2).sum() * (2 / 255) ** 2 for response in responses]
    assert floors() == pytest.approx(wanted, rel=1e-6)


def test_luma_is_that_of_bt_601() -> None:
    red, green, blue = torch.eye(3).view(3, 3, 1, 1)
    found = [float(luma(colour[None])) for colour in (red, green, blue)]
    assert found == pytest.approx([0.299, 0.587, 0.114])


@pytest.mark.parametrize(("side", "radius"), [(40, 1), (128, 3), (260, 5), (400, 8)])
def test_region_and_rim_are_two_percent_wide(side: int, radius: int) -> None:
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
    """Of 10,000 pixels five."""
    masks = torch.cat([square(100, 40, 60), torch.zeros(1, 1, 100, 100, dtype=torch.bool)])
    masks[1, 0, 50, 50 : 50 + pixels] = True
    targets = drawn(2, 3, 100, 100)
    score = objective.against(Reference(("a", "b"), targets, masks, None))(targets)
    assert ("score" in score.per_image[1]) == scored
    assert score.components["n_scored"] == 1 + scored


def test_without_inputs_a_blur_of_the_original_stands_in(objective: BoundarySharpness) -> None:
    """Of 1.25 % of the short side: at 128 pixels of 1.6."""
    target, mask = drawn(1, 3, 128, 128), square(128, 50, 80)
    blurred = gaussian_filter(target[0].numpy(), (0, 1.6, 1.6), mode="mirror", radius=(0, 5, 5))
    found, wanted = (
        objective.against(Reference(("a",), target, mask, inputs))(target).components["lpips_noop"]
        for inputs in (None, torch.from_numpy(blurred)[None])
    )
    assert found == pytest.approx(wanted, rel=1e-4)


def test_an_input_that_is_the_original_is_taken_to_be_a_thousandth_away(
    objective: BoundarySharpness,
) -> None:
    """In LPIPS; else whatever was restored would be infinitely worse than it."""
    target, mask = drawn(1, 3, 64, 64), square(64, 20, 40)
    restored = (target + 0.02 * drawn(1, 3, 64, 64, seed=1)).clamp(0, 1)
    found = objective.against(Reference(("a",), target, mask, target))(restored).components
    assert found["lpips"] > 0
    assert found["Lrel"] == pytest.approx(1000 * found["lpips"])


def test_the_score_is_the_exponential_of_what_is_wrong(objective: BoundarySharpness) -> None:
    """Blur, detail too much and distance weigh the same, inside and on the rim."""
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
    assert float(rows[0]["D"]) == pytest.approx(math.log(4), rel=0.05)  # of a quarter the variance


@pytest.mark.parametrize(
    ("direction", "worst"), [("maximize", [0.0, 1.0, 2.0]), ("minimize", [24.0, 23.0, 22.0])]
)
def test_a_set_s_figures_are_means_a_median_and_its_worst_tenth(
    direction: str, worst: list[float]
) -> None:
    """Of 25 pictures the worst three; who has no score is in none of them."""
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


def test_a_median_is_no_mean() -> None:
    rows: list[dict[str, float | str]] = [
        {"name": str(value), "score": value} for value in (0.1, 0.2, 0.9, 0.3)
    ]
    found = aggregate(rows, "maximize")
    assert found.components["median"] == pytest.approx(0.25)
    assert found.value == pytest.approx(0.375)


def test_a_difference_of_nine_grey_levels_in_one_colour_is_one() -> None:
    original = torch.full((3, 1, 4), 100, dtype=torch.uint8)
    retouched = original.clone()
    for column, (channel, step) in enumerate([(0, 8), (1, 9), (2, -9), (2, -8)]):
        retouched[channel, 0, column] += step
    assert region_by_difference(retouched, original).tolist() == [[[False, True, True, False]]]


def test_a_displacement_of_a_thousandth_of_the_short_side_is_one() -> None:
    field = torch.zeros(2, 200, 400)
    field[1, 5, 5], field[1, 5, 9] = 0.201, -0.199
    assert region_from_field(field).nonzero().tolist() == [[0, 5, 5]]


def test_movement_is_cleaned_of_gaps_and_specks(monkeypatch: pytest.MonkeyPatch) -> None:
    """At 200 pixels: above 0.8 px, gaps of up to 4 px closed, holes filled, 20 pixels at least."""
    flow = np.zeros((2, 200, 200))
    flow[0, 20:80, 20:100] = 0.9
    flow[0, 20:80, 58:62] = 0.7  # a gap of four pixels
    flow[1, 120:160, 20:60] = -0.9
    flow[1, 130:150, 30:50] = 0.0  # a hole
    flow[0, 120:180, 100:140] = 0.79
    flow[0, 10:14, 150:155] = 2.0  # twenty pixels
    flow[0, 30, 150:169] = 2.0  # nineteen
    monkeypatch.setattr("skimage.registration.optical_flow_tvl1", lambda still, moved: flow)
    picture = np.zeros((200, 200), np.float32)
    found = moving(picture, picture)
    wanted = np.zeros((200, 200), bool)
    wanted[20:80, 20:100] = wanted[120:160, 20:60] = wanted[10:14, 150:155] = True
    for end in (slice(20, 22), slice(78, 80)):  # a disc does not close the ends of a gap
        wanted[end, 58:62] = found[end, 58:62]
    assert (found == wanted).all()
    wide = np.ones((20, 40), bool)
    wide[:, 10:15] = False
    assert not closed(wide, 2)[:, 10:15].any()


@pytest.mark.parametrize("shape", [(160, 240), (240, 160)])
def test_without_inputs_a_blur_by_the_short_side_stands_in(
    objective: BoundarySharpness, shape: tuple[int, int]
) -> None:
    """1.25 % of it: that very blur of the original is no better than doing nothing."""
    target = drawn(1, 3, *shape)
    mask = torch.zeros(1, 1, *shape, dtype=torch.bool)
    mask[..., 60:100, 60:100] = True
    blurred = gaussian_filter(target.numpy(), (0, 0, 2, 2), mode="mirror", radius=(0, 0, 6, 6))
    score = objective.against(Reference(("a",), target, mask, None))(torch.from_numpy(blurred))
    assert score.components["Lrel"] == pytest.approx(1, abs=1e-3)
