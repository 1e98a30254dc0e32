"""Bounds of the score on made pairs: the input unchanged, and the warp undone exactly."""

from dataclasses import dataclass
from pathlib import Path

import torch

from harness.data.check.preview import spread
from harness.data.files.pair_folders import find_pairs
from harness.data.files.pair_reading import read_halves
from harness.data.files.picture_reading import read_mask
from harness.data.pairs.pair_set import PairSet
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
    retouched, originals, undone, masks = [], [], [], []
    pairs = spread(find_pairs(folder))
    for files in pairs:
        if files.mask is None or files.field is None:
            raise FileNotFoundError(f"{files.name} has no mask or no field in {folder}")
        a, b = read_halves(files)
        retouched.append(to_tensor(a))
        originals.append(to_tensor(b))
        undone.append(to_tensor(warped_back(a, files.field, "AtoB")))
        masks.append(torch.from_numpy(read_mask(files.mask, *a.shape[:2]).copy())[None])
    kinds = (tuple(kind) for kind in (retouched, originals, masks, undone))
    return bounds(PairSet(tuple(files.name for files in pairs), *kinds), weights)


def bounds(pairs: PairSet, weights: str) -> Bounds:
    """Score the retouched pictures (all of one size), unchanged and warped back (`undone`)."""
    inputs, targets, restored = (
        torch.stack(kind).float() / 255 for kind in (pairs.retouched, pairs.originals, pairs.undone)
    )
    reference = Reference(pairs.names, targets, torch.stack(pairs.masks), inputs)
    score = BoundarySharpness(weights).against(reference)
    return Bounds(score(inputs).value, score(restored).value, weights)
