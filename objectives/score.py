"""What every objective takes and returns."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import fmean, median
from typing import Literal, Protocol

from torch import Tensor


@dataclass(frozen=True)
class Reference:
    """The fixed side of a comparison: what restored pictures are judged against.

    Attributes:
        names: one name a picture.
        targets: the originals, float `[n, 3, h, w]` in [0, 1].
        masks: the warped regions before dilation, bool `[n, 1, h, w]`.
        inputs: the retouched pictures, as `targets`; None where they are not at hand.
    """

    names: tuple[str, ...]
    targets: Tensor
    masks: Tensor
    inputs: Tensor | None


@dataclass(frozen=True)
class Score:
    """A headline value, the set means it is made of, and every picture's own figures.

    `per_image` rows hold `name` (str), `score` (float) and the components of that picture; a
    picture without a score holds `name` and `skipped`, why not.
    """

    value: float
    components: dict[str, float]
    per_image: tuple[dict[str, float | str], ...] = field(repr=False)


Scorer = Callable[[Tensor], Score]
"""Restored pictures, float `[n, 3, h, w]` in [0, 1] -> their score."""


class NothingToScoreError(ValueError):
    """Not one picture of a reference has a region to judge."""


def aggregate(
    rows: Sequence[dict[str, float | str]], direction: Literal["maximize", "minimize"]
) -> Score:
    """The set's score from its pictures' rows: means over those that have a score.

    Beside them `median` and `worst_tenth` (its mean) of the score, `n` and `n_scored`. A score
    that is not finite makes the set's so too.

    Raises:
        NothingToScoreError: no row has a score.
    """
    scored = [row for row in rows if "score" in row]
    if not scored:
        raise NothingToScoreError(f"None of the {len(rows)} pictures has a region to score.")
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
    """Which scores are better, and the worst there is (None: there is none)."""

    direction: Literal["maximize", "minimize"]
    worst: float | None


class Objective(Protocol):
    """A way to score restored pictures. `weights` names the networks it looks through."""

    name: str
    direction: Literal["maximize", "minimize"]
    value_range: tuple[float, float]
    weights: str

    def against(self, reference: Reference) -> Scorer:
        """Prepare once whatever depends on the reference alone; return the scorer."""
        ...
