"""Properties for all pictures: smooth or noisy, flat or saturated, square or not, any mask."""

import math

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from objectives.boundary_sharpness import BoundarySharpness
from objectives.laplacian import gaussian_blur
from objectives.score import Reference

EXAMPLES = 12
SYMMETRIC = ("D", "E", "r_0", "r_1", "r_2", "laplacian_ratio", "mae", "ciede2000")

objective = BoundarySharpness("random")

seeds = st.integers(0, 2**31)
sides = st.integers(40, 80)
kinds = st.sampled_from(["smooth", "noise", "flat", "black", "white", "steps"])


def drawn(kind: str, seed: int, height: int, width: int) -> torch.Tensor:
    """A picture `[1, 3, height, width]` of this kind."""
    random = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))
    match kind:
        case "smooth":
            return gaussian_blur(random, 3.0)
        case "noise":
            return random
        case "steps":
            return (gaussian_blur(random, 3.0) > 0.5).float()
        case "flat":
            return random[:, :, :1, :1].expand(1, 3, height, width).clone()
    return torch.full((1, 3, height, width), float(kind == "white"))


def region(seed: int, height: int, width: int) -> torch.Tensor:
    """A rectangle somewhere, at least 4 pixels a side, `[1, 1, height, width]`."""
    random = torch.Generator().manual_seed(seed)
    top, left = (int(torch.randint(0, n - 4, (), generator=random)) for n in (height, width))
    mask = torch.zeros(1, 1, height, width, dtype=torch.bool)
    down, across = (int(torch.randint(4, n, (), generator=random)) for n in (height, width))
    mask[..., top : top + down, left : left + across] = True
    return mask


@st.composite
def cases(draw: st.DrawFn) -> tuple[Reference, torch.Tensor]:
    """One original with its mask and input, and a restored picture."""
    height, width = draw(sides), draw(sides)
    original, undone, restored = (drawn(draw(kinds), draw(seeds), height, width) for _ in range(3))
    mask = region(draw(seeds), height, width)
    inputs = draw(st.sampled_from([undone, None]))
    return Reference(("p",), original, mask, inputs), restored


@settings(max_examples=EXAMPLES, deadline=None)
@given(cases())
def test_the_original_has_the_best_score_and_all_are_in_range(
    case: tuple[Reference, torch.Tensor],
) -> None:
    reference, restored = case
    scorer = objective.against(reference)
    best, other = scorer(reference.targets), scorer(restored)
    assert best.value == 1
    assert best.components["D"] == best.components["E"] == best.components["Lrel"] == 0
    assert 0 <= other.value <= 1
    row = {key: value for key, value in other.per_image[0].items() if key != "name"}
    assert all(math.isfinite(float(value)) for value in row.values())
    assert 0 <= float(row["structure_error"]) <= 1
    assert min(float(row[key]) for key in ("D", "E", "Lrel", "mae", "ciede2000")) >= 0


@settings(max_examples=EXAMPLES, deadline=None)
@given(cases(), st.integers(0, 3), st.booleans())
def test_rotations_and_flips_do_not_change_the_sharpness_terms(
    case: tuple[Reference, torch.Tensor], quarters: int, flip: bool
) -> None:
    def turned(x: torch.Tensor) -> torch.Tensor:
        x = x.rot90(quarters, (2, 3))
        return x.flip(3) if flip else x

    reference, restored = case
    inputs = None if reference.inputs is None else turned(reference.inputs)
    other = Reference(("p",), turned(reference.targets), turned(reference.masks), inputs)
    a = objective.against(reference)(restored).components
    b = objective.against(other)(turned(restored)).components
    for key in SYMMETRIC:
        assert b[key] == pytest.approx(a[key], rel=1e-3, abs=1e-4), key


@settings(max_examples=EXAMPLES, deadline=None)
@given(cases())
def test_double_precision_has_the_same_score(case: tuple[Reference, torch.Tensor]) -> None:
    reference, restored = case
    inputs = None if reference.inputs is None else reference.inputs.double()
    double = Reference(("p",), reference.targets.double(), reference.masks, inputs)
    a = objective.against(reference)(restored)
    b = objective.against(double)(restored.double())
    assert b == a


@settings(max_examples=EXAMPLES, deadline=None)
@given(cases(), st.booleans())
def test_gradients_are_finite(case: tuple[Reference, torch.Tensor], equal: bool) -> None:
    reference, restored = case
    start = reference.targets if equal else restored
    prepared = objective.against(reference).batches[0]  # type: ignore[attr-defined]
    leaf = start.clone().requires_grad_(True)
    prepared.measure(leaf)["score"].sum().backward()
    assert leaf.grad is not None
    assert leaf.grad.isfinite().all()


@settings(max_examples=EXAMPLES, deadline=None)
@given(sides, sides, st.lists(seeds, min_size=2, max_size=4, unique=True))
def test_other_pictures_of_a_batch_do_not_matter(
    height: int, width: int, several: list[int]
) -> None:
    """Pictures in a batch, with any masks, score the same as alone."""
    originals = [drawn("smooth", seed, height, width) for seed in several]
    restored = [drawn("noise", seed + 1, height, width) for seed in several]
    masks = [region(seed, height, width) for seed in several]
    names = tuple(str(seed) for seed in several)
    whole = Reference(names, torch.cat(originals), torch.cat(masks), None)
    rows = objective.against(whole)(torch.cat(restored)).per_image
    for name, original, mask, picture, row in zip(
        names, originals, masks, restored, rows, strict=True
    ):
        own = objective.against(Reference((name,), original, mask, None))(picture).per_image[0]
        assert row.pop("name") == own.pop("name")
        assert row == pytest.approx(own, rel=1e-3, abs=1e-5)


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(case=cases())
def test_a_gpu_has_the_same_score(any_gpu: str, case: tuple[Reference, torch.Tensor]) -> None:
    reference, restored = case
    a = objective.against(reference)(restored).components
    b = BoundarySharpness("random", "cuda").against(reference)(restored).components
    for key, value in a.items():
        assert b[key] == pytest.approx(value, rel=1e-2, abs=1e-3), key
