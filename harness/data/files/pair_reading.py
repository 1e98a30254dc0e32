"""Read both pictures of a pair, from one file or two. Needs no torch."""

import numpy as np

from harness.data.files.listing import refuse_twins
from harness.data.files.pair_folders import PairFiles
from harness.data.files.picture_reading import MIN_SIDE, Picture, read_picture, split_halves
from harness.errors import UserInputError, inline

DIFFERENCE_SCALE = 4


def read_halves(files: PairFiles) -> tuple[Picture, Picture]:
    """Pictures A and B of a pair, bytes `[h, w, 3]` of equal size.

    Raises:
        UserInputError: a file cannot be read, or is not the only one of its name, or A and B do not
            match.
    """
    refuse_twins(files.twins)
    if files.b is None:
        return split_halves(read_picture(files.a, files.bits), files.a)
    a, b = (read_picture(file, files.bits) for file in (files.a, files.b))
    if a.shape != b.shape:
        sizes = " and ".join(f"{picture.shape[1]} x {picture.shape[0]}" for picture in (a, b))
        raise UserInputError(
            f"{inline(files.a)} and {inline(files.b)} are {sizes}: A and B of a pair must have the "
            "same size."
        )
    if min(a.shape[:2]) < MIN_SIDE:
        raise UserInputError(f"{inline(files.a)} is under {MIN_SIDE} pixels a side: too small.")
    return a, b


def difference(a: Picture, b: Picture) -> Picture:
    """The absolute difference of A and B in every channel, times 4, for display."""
    scaled = np.abs(a.astype(np.int16) - b) * DIFFERENCE_SCALE
    return np.asarray(np.clip(scaled, 0, 255), np.uint8)
