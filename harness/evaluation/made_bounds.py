"""Bounds of the score on made pairs: the input unchanged, and the warp undone exactly."""

from dataclasses import dataclass
from pathlib import Path

import torch

from harness.data.check.preview import spread
from harness.data.files.pair_folders import find_pairs
from harness.data.files.pair_reading import read_halves
from harness.data.files.picture_reading import read_mask
from harness.data.pairs.pair_set import PairSet, TrainingPair
from harness.data.pairs.sizing import to_tensor
from harness.data.synthesis.displacement_files import warped_back
from objectives.boundary_sharpness import BoundarySharpness
from objectives.score import Reference


@dataclass(frozen=True)
class Bounds:
    """`boundary_sharpness` of the input unchanged (`identity`) and of the oracle."""

    identity: float
    oracle: float
    weights: str


def made_bounds(folder: Path, weights: str) -> Bounds:
    """Score up to eight pairs of a folder from `make_pairs`, with the inverse fields in it.

    Raises:
        FileNotFoundError: a pair's field or mask is missing.
    """
    pairs = []
    for files in spread(find_pairs(folder)):
        if files.mask is None or files.field is None:
            raise FileNotFoundError(f"{files.name} has no mask or no field in {folder}")
        a, b = read_halves(files)
        mask = torch.from_numpy(read_mask(files.mask, *a.shape[:2]).copy())[None]
        undone = to_tensor(warped_back(a, files.field, "AtoB"))
        pairs.append(TrainingPair(files.name, to_tensor(a), to_tensor(b), mask, undone))
    made = PairSet.of(pairs)  # all of one size
    inputs, targets, restored = (
        torch.stack(kind).float() / 255 for kind in (made.retouched, made.originals, made.undone)
    )
    reference = Reference(made.names, targets, torch.stack(made.masks), inputs)
    score = BoundarySharpness(weights).against(reference)
    return Bounds(score(inputs).value, score(restored).value, weights)
