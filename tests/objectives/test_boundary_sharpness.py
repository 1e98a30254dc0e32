"""The score on real photographs: defects that lower it, and changes that must not."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.ladders import (
    blur,
    checkerboard,
    disguised,
    ensemble,
    inside,
    jitter,
    ladders,
    noise,
    unsharp,
)
from benchmarks.plain_score import plain_network, plain_noop, plain_rows
from benchmarks.validate_score import untrained
from objectives.boundary_sharpness import PART_STEP, BoundarySharpness
from objectives.masks import dilate
from objectives.score import NothingToScoreError, Reference, Score

FEW = 4


@pytest.fixture(scope="module")
def objective() -> BoundarySharpness:
    return BoundarySharpness("random")


@pytest.fixture(scope="module")
def mask(reference: Reference) -> torch.Tensor:
    return dilate(reference.masks)


def values(score: Score) -> torch.Tensor:
    return torch.tensor([float(row["score"]) for row in score.per_image])


@pytest.mark.parametrize("name", dict(ladders()))
def test_every_ladder_falls_at_every_step_on_every_picture(
    name: str, reference: Reference, objective: BoundarySharpness, mask: torch.Tensor
) -> None:
    scorer = objective.against(reference)
    x = reference.targets
    rungs = [x, *(inside(distort(x), x, mask) for _, distort in dict(ladders())[name])]
    found = torch.stack([values(scorer(pictures)) for pictures in rungs])
    if name in ("blur", "noise", "checkerboard", "unsharp"):
        assert (found.diff(dim=0) < 0).all()
    assert (found.mean(1).diff() < 0).all()
    assert (found[1:] < found[0]).all()


def test_a_displaced_sharp_result_is_better_than_the_mean_of_many(
    reference: Reference, objective: BoundarySharpness, mask: torch.Tensor
) -> None:
    """On the mean of the set; a single picture of fine texture may prefer the blur."""
    scorer = objective.against(reference)
    x = reference.targets
    sharp, soft = (scorer(inside(f(x), x, mask)).value for f in (jitter(), ensemble))
    assert sharp > soft


@pytest.mark.parametrize("kind", [noise, checkerboard, unsharp])
def test_blur_in_disguise_is_worse_than_light_blur(
    kind, reference: Reference, objective: BoundarySharpness, mask: torch.Tensor
) -> None:
    scorer = objective.against(reference)
    x = reference.targets
    hidden = scorer(inside(disguised(2.0, kind, mask)(x), x, mask))
    assert (values(hidden) < values(scorer(inside(blur(0.7)(x), x, mask)))).all()


def test_an_untrained_generator_is_worse_than_a_blurred_original(
    reference: Reference, objective: BoundarySharpness, mask: torch.Tensor
) -> None:
    scorer = objective.against(reference)
    x = reference.targets
    blurred = values(scorer(inside(blur(2.0)(x), x, mask)))
    assert (values(scorer(inside(untrained(reference), x, mask))) < blurred).all()


def test_blur_outside_the_mask_has_little_effect(
    reference: Reference, objective: BoundarySharpness, mask: torch.Tensor
) -> None:
    scorer = objective.against(reference)
    x = reference.targets
    blurred = blur(2.0)(x)
    within = 1 - scorer(inside(blurred, x, mask)).value
    without = 1 - scorer(torch.where(mask, x, blurred)).value
    assert without <= 0.05 * within


def test_the_original_has_the_best_score_and_the_input_lrel_1(
    reference: Reference, objective: BoundarySharpness
) -> None:
    scorer = objective.against(reference)
    best = scorer(reference.targets)
    assert best.value == pytest.approx(1.0, abs=1e-6)
    assert best.components["E"] == best.components["D"] == best.components["lpips"] == 0
    assert reference.inputs is not None
    assert scorer(reference.inputs).components["Lrel"] == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("turn", ["flip", "quarter"])
def test_rotating_all_pictures_hardly_changes_the_sharpness_terms(
    turn: str, reference: Reference, objective: BoundarySharpness, mask: torch.Tensor
) -> None:
    def turned(x: torch.Tensor) -> torch.Tensor:
        return x.flip(3) if turn == "flip" else x.rot90(1, (2, 3))

    x, y = reference.targets, inside(blur(1.0)(reference.targets), reference.targets, mask)
    assert reference.inputs is not None
    other = Reference(reference.names, turned(x), turned(reference.masks), turned(reference.inputs))
    a = objective.against(reference)(y).components
    b = objective.against(other)(turned(y)).components
    for key in ("D", "E", "r_0", "r_1", "r_2", "mae", "ciede2000", "structure_error"):
        assert b[key] == pytest.approx(a[key], rel=1e-4, abs=1e-5)
    # The strided network of LPIPS has this symmetry only approximately.
    assert b["Lrel"] == pytest.approx(a["Lrel"], rel=0.2)


@settings(max_examples=8, deadline=None)
@given(order=st.permutations(range(FEW)), cut=st.integers(1, FEW - 1))
def test_batches_and_order_do_not_matter(
    order: list[int], cut: int, reference: Reference, objective: BoundarySharpness
) -> None:
    restored = blur(1.0)(reference.targets)
    whole = values(objective.against(reference)(restored))
    assert reference.inputs is not None
    parts = []
    for part in (order[:cut], order[cut:]):
        chosen = Reference(
            tuple(reference.names[k] for k in part),
            reference.targets[part],
            reference.masks[part],
            reference.inputs[part],
        )
        parts.append(values(objective.against(chosen)(restored[part])))
    torch.testing.assert_close(torch.cat(parts), whole[order], rtol=1e-4, atol=1e-5)


def test_gradients_are_finite_even_at_the_original(
    reference: Reference, objective: BoundarySharpness
) -> None:
    prepared = objective.against(reference).batches[0]  # type: ignore[attr-defined]
    for start in (reference.targets, torch.zeros_like(reference.targets)):
        restored = start.clone().requires_grad_(True)
        prepared.measure(restored)["score"].sum().backward()
        assert restored.grad is not None
        assert restored.grad.isfinite().all()


def test_a_constant_original_and_a_constant_result_have_finite_scores(
    objective: BoundarySharpness,
) -> None:
    flat = torch.full((1, 3, 64, 64), 0.5)
    core = torch.zeros(1, 1, 64, 64, dtype=torch.bool)
    core[..., 20:40, 20:40] = True
    scorer = objective.against(Reference(("flat",), flat, core, None))
    assert scorer(flat).value == pytest.approx(1.0)
    noisy = scorer(noise(0.1)(flat))
    assert 0 <= noisy.value < 0.2


def test_a_picture_without_a_region_is_left_out_with_a_reason(
    reference: Reference, objective: BoundarySharpness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if it has a batch of its own, in which nothing is scored."""
    masks = reference.masks.clone()
    masks[0] = False
    # Under 0.05 % of the area; what is scored around it would be over it.
    masks[0, 0, 60:62, 60:64] = True
    partial = Reference(reference.names, reference.targets, masks, reference.inputs)
    score = objective.against(partial)(blur(1.0)(reference.targets))
    assert score.components["n_scored"] == FEW - 1
    assert score.components["n"] == FEW
    assert "score" not in score.per_image[0]
    assert "skipped" in score.per_image[0]
    whole = objective.against(reference)(blur(1.0)(reference.targets))
    assert score.value == pytest.approx(float(values_of_rest(whole)), rel=1e-4)
    monkeypatch.setattr("objectives.boundary_sharpness.BATCH_PIXELS", {"cpu": 128 * 128})
    alone = objective.against(partial)(blur(1.0)(reference.targets))
    assert alone.per_image[0] == score.per_image[0]
    for name in ("score", "D", "lpips", "mae_outside"):
        ones, others = ([row[name] for row in each.per_image[1:]] for each in (alone, score))
        assert ones == pytest.approx(others, rel=1e-3)


def values_of_rest(score: Score) -> torch.Tensor:
    return values(score)[1:].mean()


def test_no_region_at_all_is_an_error(reference: Reference, objective: BoundarySharpness) -> None:
    nothing = torch.zeros_like(reference.masks)
    with pytest.raises(NothingToScoreError, match="nothing to score"):
        objective.against(Reference(reference.names, reference.targets, nothing, None))


def test_wide_windows_do_not_reach_beyond_the_part_that_is_looked_at(
    objective: BoundarySharpness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A window of 1 % is wider than the filters only in large pictures: here it is 4 %."""
    monkeypatch.setattr("objectives.laplacian.WINDOW", 0.04)
    random = torch.Generator().manual_seed(0)
    target, restored = torch.rand(2, 1, 3, 128, 160, generator=random)
    core = torch.zeros(1, 1, 128, 160, dtype=torch.bool)
    core[..., 40:60, 60:90] = True
    found = []
    for step in (PART_STEP, 1, 160):
        monkeypatch.setattr("objectives.boundary_sharpness.PART_STEP", step)
        found.append(objective.against(Reference(("a",), target, core, None))(restored))
    for score in found[1:]:
        assert score.components == pytest.approx(found[0].components, rel=1e-4)


def test_a_picture_that_is_not_finite_makes_the_score_not_finite(
    reference: Reference, objective: BoundarySharpness
) -> None:
    broken = reference.targets.clone()
    broken[1, :, :, :] = math.nan
    score = objective.against(reference)(broken)
    assert math.isnan(score.value)
    assert math.isfinite(float(score.per_image[0]["score"]))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"targets": torch.rand(2, 3, 64, 64) * 255}, r"\[0, 1\]"),
        ({"targets": torch.full((2, 3, 64, 64), math.nan)}, r"\[0, 1\]"),
        ({"masks": torch.ones(2, 1, 32, 32, dtype=torch.bool)}, "Masks must be"),
        ({"names": ("a",)}, "1 names for 2"),
        ({"inputs": torch.rand(2, 3, 32, 32)}, "inputs are"),
        ({"inputs": torch.rand(2, 3, 64, 64) * 255}, r"inputs must be in \[0, 1\]"),
        ({"targets": torch.rand(2, 3, 64, 64) - 0.5}, r"originals must be in \[0, 1\]"),
        ({"masks": torch.ones(2, 1, 64, 64)}, "Masks must be bool"),
        ({"targets": torch.rand(0, 3, 64, 64)}, "n > 0"),
        ({"targets": torch.rand(2, 1, 64, 64)}, "Originals must be"),
    ],
)
def test_an_inconsistent_reference_is_refused(
    change: dict[str, object], sentence: str, objective: BoundarySharpness
) -> None:
    fitting: dict[str, object] = {
        "names": ("a", "b"),
        "targets": torch.rand(2, 3, 64, 64),
        "masks": torch.ones(2, 1, 64, 64, dtype=torch.bool),
        "inputs": None,
    }
    with pytest.raises(ValueError, match=sentence):
        objective.against(Reference(**(fitting | change)))  # type: ignore[arg-type]


def test_restored_pictures_of_another_size_are_refused(
    reference: Reference, objective: BoundarySharpness
) -> None:
    with pytest.raises(ValueError, match="must match"):
        objective.against(reference)(torch.rand(FEW, 3, 64, 64))


def test_every_component_equals_the_libraries_picture_by_picture(
    reference: Reference, objective: BoundarySharpness
) -> None:
    """Batches, crops around masks and cached features do not change values, for any masks.

    The pictures are wide, so that one side cannot pass for the other, and the masks leave a part
    of the width free, so that the crop is smaller than the picture.
    """

    def wide(x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x[:2], x[2:], x[:2].flip(3)], 3)[:, :, :72]

    assert reference.inputs is not None
    targets, inputs = wide(reference.targets), wide(reference.inputs)
    masks = torch.zeros_like(targets[:, :1], dtype=torch.bool)
    masks[0, :, :30, 150:200] = True
    masks[1, :, 50:, 360:] = True
    spread = Reference(reference.names[:2], targets, masks, inputs)
    restored = blur(0.8)(inputs)
    package = plain_network()
    expected = plain_rows(package, spread, restored, plain_noop(package, spread))
    found = objective.against(spread)(restored).per_image
    for ours, plain in zip(found, expected, strict=True):
        figures = {key: value for key, value in ours.items() if key != "name"}
        assert figures == pytest.approx(plain, rel=1e-4, abs=5e-5)
