"""The interface of objectives: their input, their result, and the means over a set."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import fmean, median
from typing import Literal, Protocol

from torch import Tensor


@dataclass(frozen=True)
class Reference:
    """The fixed side of a comparison: what restored pictures are compared with.

    Attributes:
        names: one name per picture.
        targets: the originals, float `[n, 3, h, w]` in [0, 1].
        masks: the warped regions before dilation, bool `[n, 1, h, w]`.
        inputs: the retouched pictures, like `targets`; None if not available.
    """

    names: tuple[str, ...]
    targets: Tensor
    masks: Tensor
    inputs: Tensor | None


@dataclass(frozen=True)
class Score:
    """The score of a set of pictures, the means of its components, and the values of each picture.

    Each row of `per_image` has `name` (str), `score` (float) and the components of one picture; a
    picture without a score has `name` and `skipped`, the reason.
    """

    value: float
    components: dict[str, float]
    per_image: tuple[dict[str, float | str], ...] = field(repr=False)


Scorer = Callable[[Tensor], Score]
"""Restored pictures, float `[n, 3, h, w]` in [0, 1] -> their score."""


class NothingToScoreError(ValueError):
    """No picture of a reference has a region to score."""


class UserObjectiveError(ValueError):
    """A user's objective failed, or returned something other than a score."""


def aggregate(
    rows: Sequence[dict[str, float | str]], direction: Literal["maximize", "minimize"]
) -> Score:
    """The score of a set from the rows of its pictures: means over those that have a score.

    Further components are `median` and `worst_tenth` (mean of the worst 10%) of the score, `n` and
    `n_scored`. If any score is not finite, neither is that of the set.

    Raises:
        NothingToScoreError: no row has a score.
    """
    scored = [row for row in rows if "score" in row]
    if not scored:
        raise NothingToScoreError("No picture has a region to score.")
    means = {key: fmean(float(row[key]) for row in scored) for key in scored[0] if key != "name"}
    scores = sorted((float(row["score"]) for row in scored), reverse=direction == "minimize")
    value = means.pop("score")
    spread = {
        "median": median(scores) if math.isfinite(value) else value,
        "worst_tenth": fmean(scores[: math.ceil(len(scores) / 10)]),
        "n": float(len(rows)),
        "n_scored": float(len(scored)),
    }
    return Score(value, means | spread, tuple(rows))


@dataclass(frozen=True)
class Goal:
    """Whether higher or lower scores are better, and the worst possible one (None: unbounded)."""

    direction: Literal["maximize", "minimize"]
    worst: float | None


class Objective(Protocol):
    """Scores restored pictures. `weights`: those of its networks, "pretrained" or "random"."""

    name: str
    direction: Literal["maximize", "minimize"]
    value_range: tuple[float, float]
    weights: str

    def against(self, reference: Reference) -> Scorer:
        """Compute once everything that depends only on the reference; return the scorer."""
        ...
