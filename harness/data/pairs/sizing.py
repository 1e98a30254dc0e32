"""One pair's files -> tensors of the size that training takes, as pix2pix itself sizes them."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from harness.config.settings import Direction, TrainSettings
from harness.data.files.pair_folders import PairFiles
from harness.data.files.pair_reading import read_halves
from harness.data.files.picture_reading import Picture, read_mask, shown
from harness.data.synthesis.displacement_files import warped_back
from harness.errors import UserInputError
from objectives.masks import region_by_difference, region_from_pair
from search_spaces.checks import GENERATOR_MULTIPLE


@dataclass(frozen=True)
class TrainingPair:
    """A pair as uint8 `[3, h, w]` tensors and the warped region, bool `[1, h, w]`.

    `undone` is the retouched picture warped back, where the field that does so is known.
    """

    name: str
    retouched: Tensor
    original: Tensor
    mask: Tensor
    undone: Tensor | None = None


def target_size(width: int, height: int, train: TrainSettings) -> tuple[int, int]:
    """(width, height) before cropping, by pix2pix's rules for `preprocess`.

    With none, the nearest multiples of what the generator's sides divide by. pix2pix takes those
    of 4 whatever the generator, and its U-Nets then fail.
    """
    match train.preprocess:
        case "resize_and_crop":
            return train.load_size, train.load_size
        case "scale_width_and_crop":
            return train.load_size, max(train.load_size * height // width, train.crop_size)
        case "crop":
            return width, height
        case "none":
            by = GENERATOR_MULTIPLE[train.netG]
            return by * max(1, round(width / by)), by * max(1, round(height / by))


def sized_pair(
    files: PairFiles, direction: Direction, train: TrainSettings, region: Literal["fine", "quick"]
) -> TrainingPair:
    """Read and scale one pair; its mask is the user's own, or found by comparing A and B.

    `region` says how: by optical flow (`fine`), as scoring needs it, or by difference (`quick`).
    A pair to be scored is also warped back, where its field is known.

    Raises:
        UserInputError: the pair cannot be used.
    """
    a, b = read_halves(files)
    height, width = a.shape[:2]
    size = target_size(width, height, train)
    if min(size) < train.crop_size:
        raise UserInputError(
            f"{shown(files.a)}: each half is {width} x {height}, smaller than crop_size "
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
    """Bicubic and antialiased, as pix2pix loads its pictures."""
    image = Image.fromarray(picture)
    return picture if image.size == size else np.array(image.resize(size, Image.Resampling.BICUBIC))


def centred_crop(pair: TrainingPair, crop_size: int) -> TrainingPair:
    """Cut a pair to `crop_size` about the middle of its warped region, or its own middle."""
    where = pair.mask[0].nonzero().float()
    height, width = pair.mask.shape[1:]
    middle = where.mean(0).tolist() if len(where) else [height / 2, width / 2]
    top, left = (
        min(max(round(centre - crop_size / 2), 0), side - crop_size)
        for centre, side in zip(middle, (height, width), strict=True)
    )
    rows, columns = slice(top, top + crop_size), slice(left, left + crop_size)

    def cut(kind: Tensor) -> Tensor:
        return kind[:, rows, columns].clone()

    undone = None if pair.undone is None else cut(pair.undone)
    return TrainingPair(pair.name, cut(pair.retouched), cut(pair.original), cut(pair.mask), undone)


def to_tensor(picture: Picture) -> Tensor:
    """Bytes `[h, w, 3]` -> uint8 `[3, h, w]`."""
    return torch.from_numpy(np.array(picture.transpose(2, 0, 1), order="C"))
