"""Load one pair as tensors of the size used for training, scaled by pix2pix's rules."""

from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from harness.config.settings import Direction, TrainSettings
from harness.data.files.pair_folders import PairFiles
from harness.data.files.pair_reading import read_halves
from harness.data.files.picture_reading import Picture, read_mask
from harness.data.pairs.pair_set import TrainingPair
from harness.data.synthesis.displacement_files import warped_back
from harness.errors import UserInputError, inline
from objectives.masks import region_by_difference, region_from_pair
from search_spaces.checks import GENERATOR_MULTIPLE


def target_size(width: int, height: int, train: TrainSettings) -> tuple[int, int]:
    """(width, height) before cropping, by pix2pix's rules for `preprocess`.

    With `none`, the nearest multiples of the generator's divisor. pix2pix uses multiples of 4 for
    all generators, with which its U-Nets fail.
    """
    match train.preprocess:
        case "resize_and_crop":
            return train.load_size, train.load_size
        case "scale_width_and_crop":
            return train.load_size, max(train.load_size * height // width, train.crop_size)
        case "crop":
            return width, height
        case "none":
            unit = GENERATOR_MULTIPLE[train.netG]
            return unit * max(1, round(width / unit)), unit * max(1, round(height / unit))


def sized_pair(
    files: PairFiles, direction: Direction, train: TrainSettings, region: Literal["fine", "quick"]
) -> TrainingPair:
    """Read and scale one pair; its mask is the user's own, or found by comparing A and B.

    Args:
        region: how to find it: by optical flow (`fine`), for scoring, or by difference (`quick`).
            With `fine`, the pair is also warped back, if its field is known.

    Raises:
        UserInputError: the pair cannot be used.
    """
    a, b = read_halves(files)
    height, width = a.shape[:2]
    size = target_size(width, height, train)
    if min(size) < train.crop_size:
        raise UserInputError(
            f"{inline(files.a)}: each half is {width} x {height}, smaller than crop_size "
            f"{train.crop_size}, and preprocess {train.preprocess!r} does not scale it: choose a "
            "smaller profile or another preprocess."
        )
    left, right = (to_tensor(resized(picture, size)) for picture in (a, b))
    retouched, original = (left, right) if direction == "AtoB" else (right, left)
    if files.mask is not None:
        mask = torch.from_numpy(read_mask(files.mask, size[1], size[0]).copy()).unsqueeze(0)
    else:
        find = region_from_pair if region == "fine" else region_by_difference
        mask = find(retouched, original)
    undone = None
    if region == "fine" and files.field is not None:
        picture = warped_back(a if direction == "AtoB" else b, files.field, direction)
        undone = to_tensor(resized(picture, size))
    return TrainingPair(files.name, retouched, original, mask, undone)


def resized(picture: Picture, size: tuple[int, int]) -> Picture:
    """The picture resized as pix2pix does: bicubic, with antialiasing."""
    image = Image.fromarray(picture)
    return picture if image.size == size else np.array(image.resize(size, Image.Resampling.BICUBIC))


def centred_crop(pair: TrainingPair, crop_size: int) -> TrainingPair:
    """Crop a pair to `crop_size` around the centre of its warped region, or of the picture."""
    where = pair.mask[0].nonzero().float()
    height, width = pair.mask.shape[1:]
    centre = where.mean(0).tolist() if len(where) else [height / 2, width / 2]
    top, left = (
        min(max(round(middle - crop_size / 2), 0), side - crop_size)
        for middle, side in zip(centre, (height, width), strict=True)
    )
    rows, columns = slice(top, top + crop_size), slice(left, left + crop_size)

    def crop(tensor: Tensor) -> Tensor:
        return tensor[:, rows, columns].clone()

    undone = None if pair.undone is None else crop(pair.undone)
    return TrainingPair(
        pair.name, crop(pair.retouched), crop(pair.original), crop(pair.mask), undone
    )


def to_tensor(picture: Picture) -> Tensor:
    """A picture `[h, w, 3]` as a uint8 tensor `[3, h, w]`."""
    return torch.from_numpy(np.array(picture.transpose(2, 0, 1), order="C"))
