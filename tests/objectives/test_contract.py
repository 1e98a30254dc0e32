"""The contract of objectives: the built-in one, the documented example, and the user's own.

`HARNESS_OBJECTIVE=package.module:factory` names one more.
"""

import importlib
import math
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from benchmarks.ladders import blur, inside, noise
from objectives.boundary_sharpness import BoundarySharpness
from objectives.loading import UserObjective, goal_of, load_objective
from objectives.masks import dilate
from objectives.score import NothingToScoreError, Objective, Reference

PAGE = Path(__file__).parent.parent.parent / "docs" / "objectives.md"
EXAMPLE = "my_objective:make"
OWN = [name] if (name := os.environ.get("HARNESS_OBJECTIVE")) else []


@pytest.fixture(scope="module")
def example_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The page's example as a file in the current folder."""
    folder = tmp_path_factory.mktemp("example")
    code = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert code is not None
    (folder / "my_objective.py").write_text(code[1], encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", list(sys.path))
        patch.chdir(folder)
        yield folder
    sys.modules.pop("my_objective", None)


BUILT_IN = (
    "boundary_sharpness",
    "boundary_sharpness_squeeze",
    pytest.param("boundary_sharpness_vgg", marks=pytest.mark.slow),
)


@pytest.fixture(scope="module", params=[*BUILT_IN, EXAMPLE, *OWN])
def objective(request: pytest.FixtureRequest, example_folder: Path) -> Objective:
    loaded = load_objective(request.param, "random", "cpu")
    return loaded.objective if isinstance(loaded, UserObjective) else loaded


@pytest.fixture(scope="module")
def soft(reference: Reference) -> torch.Tensor:
    """Restored pictures with some blur."""
    return inside(blur(1.0)(reference.targets), reference.targets, dilate(reference.masks))


def rows_of(objective: Objective, reference: Reference, restored: torch.Tensor) -> list[float]:
    score = objective.against(reference)(restored)
    return [float(row["score"]) for row in score.per_image]


def better(objective: Objective, value: float, other: float) -> bool:
    return value > other if objective.direction == "maximize" else value < other


def picked(reference: Reference, numbers: list[int]) -> Reference:
    assert reference.inputs is not None
    return Reference(
        tuple(reference.names[k] for k in numbers),
        reference.targets[numbers],
        reference.masks[numbers],
        reference.inputs[numbers],
    )


def test_it_declares_its_attributes(objective: Objective, request: pytest.FixtureRequest) -> None:
    assert objective.name
    asked = request.node.callspec.params["objective"]
    assert ":" in asked or objective.name == asked
    assert objective.weights == "random"
    low, high = objective.value_range
    assert low < high
    goal_names = ("maximize", "minimize")
    assert objective.direction in goal_names


def test_the_original_has_the_best_value(
    objective: Objective, reference: Reference, soft: torch.Tensor
) -> None:
    scorer = objective.against(reference)
    best = scorer(reference.targets).value
    for other in (soft, noise(0.05)(reference.targets), torch.zeros_like(soft)):
        assert better(objective, best, scorer(other).value)


def test_values_lie_in_the_range_and_are_finite(
    objective: Objective, reference: Reference, soft: torch.Tensor
) -> None:
    low, high = objective.value_range
    for restored in (reference.targets, soft, torch.zeros_like(soft), torch.ones_like(soft)):
        for value in rows_of(objective, reference, restored):
            assert low <= value <= high
            assert math.isfinite(value)


def test_one_row_per_picture_in_order_and_the_value_is_their_mean(
    objective: Objective, reference: Reference, soft: torch.Tensor
) -> None:
    score = objective.against(reference)(soft)
    assert tuple(row["name"] for row in score.per_image) == reference.names
    rows = [float(row["score"]) for row in score.per_image]
    assert score.value == pytest.approx(sum(rows) / len(rows))
    assert score.components["n"] == score.components["n_scored"] == len(rows)
    assert all(isinstance(value, float) for value in score.components.values())


def test_a_row_depends_only_on_its_own_picture(
    objective: Objective, reference: Reference, soft: torch.Tensor
) -> None:
    whole = rows_of(objective, reference, soft)
    for part in ([2, 0], [3], [1]):
        found = rows_of(objective, picked(reference, part), soft[part])
        assert found == pytest.approx([whole[k] for k in part], rel=1e-4, abs=1e-6)


def test_it_is_deterministic_and_does_not_change_its_arguments(
    objective: Objective, reference: Reference, soft: torch.Tensor
) -> None:
    before = [t.clone() for t in (soft, reference.targets, reference.masks)]
    scorer = objective.against(reference)
    assert scorer(soft) == scorer(soft)
    for now, then in zip((soft, reference.targets, reference.masks), before, strict=True):
        assert torch.equal(now, then)


def test_it_scores_without_inputs(
    objective: Objective, reference: Reference, soft: torch.Tensor
) -> None:
    alone = Reference(reference.names, reference.targets, reference.masks, None)
    assert all(map(math.isfinite, rows_of(objective, alone, soft)))


def test_another_shape_is_refused(objective: Objective, reference: Reference) -> None:
    scorer = objective.against(reference)
    with pytest.raises(ValueError, match="match"):
        scorer(reference.targets[:, :, :64])
    with pytest.raises(ValueError, match="match"):
        scorer(reference.targets[:2])


def test_a_picture_without_a_region_has_no_score(
    objective: Objective, reference: Reference, soft: torch.Tensor
) -> None:
    masks = reference.masks.clone()
    masks[1] = False
    partial = Reference(reference.names, reference.targets, masks, reference.inputs)
    score = objective.against(partial)(soft)
    assert "score" not in score.per_image[1]
    assert score.per_image[1]["skipped"]
    assert score.components["n_scored"] == len(masks) - 1
    nothing = Reference(
        reference.names, reference.targets, torch.zeros_like(masks), reference.inputs
    )
    with pytest.raises(NothingToScoreError):
        objective.against(nothing)(soft)


def test_a_picture_that_is_not_finite_has_no_finite_score(
    objective: Objective, reference: Reference, soft: torch.Tensor
) -> None:
    broken = soft.clone()
    broken[2] = math.nan
    score = objective.against(reference)(broken)
    assert not math.isfinite(score.value)
    assert math.isfinite(float(score.per_image[0]["score"]))


def test_flipping_all_pictures_has_little_effect(
    objective: Objective, reference: Reference, soft: torch.Tensor
) -> None:
    assert reference.inputs is not None
    flipped = Reference(
        reference.names,
        reference.targets.flip(3),
        reference.masks.flip(3),
        reference.inputs.flip(3),
    )
    plain, other = rows_of(objective, reference, soft), rows_of(objective, flipped, soft.flip(3))
    assert other == pytest.approx(plain, abs=0.05)


def test_goals(example_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert goal_of("boundary_sharpness", "random").worst == 0
    assert goal_of(EXAMPLE, "random").direction == "minimize"
    assert goal_of(EXAMPLE, "random").worst == 1
    monkeypatch.setattr(BoundarySharpness, "value_range", (-math.inf, 1.0))
    assert goal_of("boundary_sharpness", "random").worst is None


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ssim", "is neither boundary_sharpness, .* nor of the form"),
        ("no_such_module:make", "no_such_module cannot be imported"),
        ("my_objective:missing", "my_objective has no callable missing"),
        ("wrong:nothing", "has no name, direction, value_range, weights, against"),
        ("wrong:sideways", "its direction is 'sideways'"),
        ("wrong:empty", "is not a range"),
        ("wrong:unasked", "unasked failed"),
        ("wrong:failing", r"failing failed \(division by zero\)"),
        ("wrong:pointless", "is not a range"),
        ("broken:make", "broken cannot be imported"),
    ],
)
def test_invalid_objectives_are_refused(name: str, message: str, example_folder: Path) -> None:
    (example_folder / "broken.py").write_text("def make(:\n")
    (example_folder / "wrong.py").write_text(
        "from types import SimpleNamespace\n"
        "whole = dict(name='a', direction='maximize', value_range=(0, 1))\n"
        "whole |= dict(weights='', against=len)\n"
        "nothing = lambda weights, device: SimpleNamespace()\n"
        "sideways = lambda weights, device: SimpleNamespace(**whole | {'direction': 'sideways'})\n"
        "empty = lambda weights, device: SimpleNamespace(**whole | {'value_range': (1, 1)})\n"
        "unasked = lambda: SimpleNamespace(**whole)\n"
        "failing = lambda weights, device: 1 / 0\n"
        "pointless = lambda weights, device: SimpleNamespace(**whole | {'value_range': (1,)})\n"
    )
    importlib.invalidate_caches()
    with pytest.raises(ValueError, match=message) as refused:
        load_objective(name, "random", "cpu")
    assert "\n" not in str(refused.value)
