"""Scale pictures with 16 bits per channel, of which fewer may be in use, to 8 bits.

Cameras and scanners of 10, 12 and 14 bits store their values in 16 bits unscaled, and no format
records this: it is estimated from the largest value (see `folder_bit_depth`).
"""

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

WIDEST = 16
DEPTHS = (8, 10, 12, 14, WIDEST)
TileArgs = tuple[Any, ...] | str | None
# Pillow keeps the high byte of a 16-bit colour, and the low byte if the byte order is reversed.
REVERSED = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}


class OtherDepthError(ValueError):
    """A value of a picture exceeds the bit depth assumed for it."""


def bits_for(largest: int) -> int:
    """The smallest of `DEPTHS` that can represent `largest`; 16 if all is black."""
    return next((bits for bits in DEPTHS if 0 < largest < 2**bits), WIDEST)


def is_wide(opened: Image.Image) -> bool:
    """Whether a picture that is not loaded yet has 16 bits per channel."""
    return opened.mode.startswith("I") or has_wide_colour(opened)


def has_wide_colour(opened: Image.Image) -> bool:
    tiles = opened.tile if isinstance(opened, ImageFile.ImageFile) else []
    prefix = f"{opened.mode};16"
    # Without grey + alpha, whose low bytes Pillow cannot read.
    return bool(tiles) and all(raw_mode(tile.args).startswith(prefix) for tile in tiles)


def largest_value(opened: Image.Image) -> int:
    """The largest value, except alpha, of a 16-bit picture that is not loaded yet."""
    if opened.mode.startswith("I"):
        return int(np.asarray(opened).max(initial=0))
    return int(wide_colour(opened)[..., :3].max(initial=0))


def wide_colour(opened: Image.Image) -> NDArray[np.uint16]:
    """The values `[h, w, channels]` of a 16-bit colour picture that is not loaded yet."""
    assert isinstance(opened, ImageFile.ImageFile)
    with Image.open(opened.filename, formats=(str(opened.format),)) as again:
        again.tile = [tile._replace(args=reversed_mode(tile.args)) for tile in again.tile]
        low = np.asarray(again)
    return np.asarray(np.asarray(opened).astype(np.uint16) << 8 | low, np.uint16)


def narrow_colour(opened: Image.Image, bits: int) -> None:
    """Load a 16-bit colour picture, scaled from `bits` to 8 bits; alpha by its own range.

    Raises:
        OtherDepthError: see `scaled`.
    """
    values = wide_colour(opened)
    parts = [scaled(values[..., :3], bits)]
    if values.shape[2] == 4:
        alpha = values[..., 3:]
        parts.append(scaled(alpha, bits_for(int(alpha.max(initial=0)))))
    opened.paste(Image.fromarray(np.concatenate(parts, axis=2)))


def scaled(values: NDArray[np.generic], bits: int) -> NDArray[np.uint8]:
    """Scale values of `bits` bits to bytes.

    Raises:
        OtherDepthError: a value needs more bits, or is negative.
    """
    lowest, largest = int(values.min(initial=0)), int(values.max(initial=0))
    if lowest < 0 or largest >= 2**bits:
        raise OtherDepthError(
            f"it has values from {lowest} to {largest}, and {bits}-bit values end at {2**bits - 1}"
        )
    return np.asarray(np.rint(values.astype(np.float32) / ((2**bits - 1) / 255)), np.uint8)


def raw_mode(args: TileArgs) -> str:
    """The name of Pillow's raw mode, from a tile's arguments."""
    return str(args[0] if isinstance(args, tuple) else args)


def reversed_mode(args: TileArgs) -> TileArgs:
    """A tile's arguments with reversed byte order."""
    name = raw_mode(args)
    changed = name[:-1] + REVERSED[name[-1]]
    return (changed, *args[1:]) if isinstance(args, tuple) else changed
