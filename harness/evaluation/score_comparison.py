"""Compare two models by their scores on the same pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from harness.data.files.listing import Remark, readable, stem_of
from harness.errors import inline
from harness.evaluation.folder_scoring import (
    PictureFiles,
    match_results,
    pictures_of,
    reject_missing,
)
from harness.evaluation.paired_comparison import sample_interval
from objectives.score import Score
from reports.record.finalists import Interval


@dataclass(frozen=True)
class Comparison:
    """How far one model leads another.

    Attributes:
        lead: the mean difference of their scores, positive if the first model is better, with its
            95 % interval for new pictures of the same kind; None for fewer than two pictures.
        better: the number of pictures in which the first model is better.
        pictures: the number of pictures that both have a score for.
    """

    lead: Interval | None
    better: int
    pictures: int


def compare_scores(score: Score, other: Score, direction: str = "maximize") -> Comparison:
    """Compare the scores of the same pictures, restored by two models.

    Args:
        direction: "minimize" if lower scores are better.
    """
    others = scores_by_name(other)
    sign = -1 if direction == "minimize" else 1
    leads = np.array(
        [
            sign * (value - others[name])
            for name, value in scores_by_name(score).items()
            if name in others
        ]
    )
    lead = sample_interval(leads) if len(leads) > 1 else None
    return Comparison(lead, int((leads > 0).sum()), len(leads))


def scores_by_name(score: Score) -> Mapping[str, float]:
    """The score of every picture that has one."""
    return {str(row["name"]): float(row["score"]) for row in score.per_image if "score" in row}


def restored_otherwise(
    files: Sequence[PictureFiles], other: Path, results: bool, remark: Remark
) -> list[PictureFiles]:
    """The same pictures as another model restored them.

    Args:
        other: a folder with restored pictures of the same names.
        results: whether test.py wrote it.

    Raises:
        UserInputError: it lacks one of the pictures, or is not such a folder.
    """
    if results:
        found = restored_by_stem(match_results(other, remark, "--against"))
    else:
        pictures = pictures_of(other, "--against", remark)
        found = {readable(stem): file for stem, file in pictures.items()}
    restored = restored_by_stem(files)
    scored = "--results" if results else "--pred"
    reject_missing(restored, found, f"--against {inline(other)}", scored)
    return [replace(each, restored=found[stem]) for stem, each in zip(restored, files, strict=True)]


def restored_by_stem(files: Sequence[PictureFiles]) -> dict[str, Path]:
    """The restored pictures, by their relative path without its suffix."""
    return {stem_of(Path(each.name), Path()): each.restored for each in files}
