"""Bounds of the score on made pairs: the unchanged input, and the input with its warp undone."""

from pathlib import Path

import torch

from harness.data.check.preview import spread
from harness.data.files.pair_folders import find_pairs
from harness.data.files.pair_reading import read_halves
from harness.data.files.picture_reading import read_mask
from harness.data.pairs.pair_set import PairSet, TrainingPair
from harness.data.pairs.sizing import to_tensor
from harness.data.synthesis.displacement_files import warped_back
from harness.evaluation.evaluator import Evaluator
from objectives.boundary_sharpness import BoundarySharpness


def made_bounds(folder: Path, weights: str) -> tuple[float, float]:
    """`boundary_sharpness` on up to eight pairs of a folder that `make_pairs` wrote.

    Returns:
        The scores of the unchanged input, and of the input warped back by the inverse field.
    """
    pairs = []
    for files in spread(find_pairs(folder)):
        assert files.mask is not None
        assert files.field is not None
        a, b = read_halves(files)
        mask = torch.from_numpy(read_mask(files.mask, *a.shape[:2]).copy())[None]
        undone = to_tensor(warped_back(a, files.field, "AtoB"))
        pairs.append(TrainingPair(files.name, to_tensor(a), to_tensor(b), mask, undone))
    evaluator = Evaluator(PairSet.of(pairs), BoundarySharpness(weights), torch.device("cpu"))
    oracle = evaluator.oracle()
    assert oracle is not None
    return evaluator.noop(), oracle
