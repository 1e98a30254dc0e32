"""A photograph's own values, as its file has them: 8 or 16 bits, alpha, any colour profile.

`harness.data.reading` gives what a picture is meant to look like, as networks need it. Whoever
changes a part of a picture needs the values themselves, for the rest to stay as it is.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from harness.data.files.bit_depth import has_wide_colour, raw_mode, wide_colour
from harness.data.files.orientation import ORIENTATION, SIDEWAYS
from harness.data.files.picture_reading import opened_picture, refuse_several, shown
from harness.errors import UserInputError

Values = NDArray[np.unsignedinteger[Any]]

EXTRA_SAMPLES, PLAIN_ALPHA = 338, {2, 999}
# What Pillow's modes become without loss; others are kept as they are.
EXPANDED = {"1": "L", "P": "RGB", "PA": "RGBA"}
# With a transparent colour, or a palette that has transparent ones.
EXPANDED_CLEAR = {"1": "LA", "L": "LA", "P": "RGBA"}
KEPT = ("L", "LA", "RGB", "RGBA", "CMYK")


@dataclass(frozen=True)
class Photograph:
    """Pixels, upright.

    Attributes:
        values: `[h, w, channels]`, uint8 or uint16; alpha is not multiplied into the colours.
        mode: which channels they are: L, LA, RGB, RGBA or CMYK.
        in_srgb: whether colours were converted, so that the file's profile is no longer theirs.
    """

    values: Values
    mode: str
    in_srgb: bool = False

    @property
    def colours(self) -> int:
        """How many channels are not alpha."""
        return len(self.mode) - self.mode.endswith("A")


def read_photograph(file: Path) -> Photograph:
    """A picture's own values.

    Raises:
        UserInputError: it cannot be read, or not without loss.
    """
    with opened_picture(file) as opened:
        refuse_lossy(opened, file)
        values, mode = values_of(opened)
        # After the values: a PNG may have its EXIF behind them.
        orientation = opened.getexif().get(ORIENTATION, 1)
    return Photograph(upright(values, orientation), mode)


def refuse_lossy(opened: Image.Image, file: Path) -> None:
    """Refuse a picture of which `values_of` would lose something. Its pixels are not looked at.

    Raises:
        UserInputError: it holds several pictures, or values that Pillow does not give as they are.
    """
    refuse_several(opened, file)
    if what := lossy_kind(opened):
        raise UserInputError(
            f"{shown(file)} holds {what}, of which some would be lost: save it as grey, RGB or "
            "CMYK of 8 or 16 bits."
        )


def lossy_kind(opened: Image.Image) -> str:
    """What a file holds that cannot be read without loss; "" where it can."""
    if opened.mode not in (*KEPT, *EXPANDED, "I;16", "I;16B", "I;16L"):
        kinds = {"F": "floating-point pixels", "I": "pixels of 32 or signed bits"}
        return kinds.get(opened.mode, f"pixels of the kind {opened.mode}")
    if isinstance(opened, TiffImagePlugin.TiffImageFile):
        extra = set(opened.tag_v2.get(EXTRA_SAMPLES, ()))
        if extra - PLAIN_ALPHA or len(opened.tag_v2.get(EXTRA_SAMPLES, ())) > 1:
            return "channels beside its colours that are no plain transparency"
    for tile in getattr(opened, "tile", ()):
        if raw_mode(tile.args).startswith("LA;16"):
            return "16 bits of grey with transparency"
        if tile.codec_name.startswith("ppm") and most_of(tile.args) > 255:
            return "more than 8 bits in a PPM"
    return ""


def most_of(args: Any) -> int:
    """The largest value that a PPM's pixels can have, from the arguments of its decoder."""
    return int(args[1]) if isinstance(args, tuple) else 255


def values_of(opened: Image.Image) -> tuple[Values, str]:
    """The values `[h, w, channels]` of an opened picture that is not loaded yet, and their mode."""
    if has_wide_colour(opened):
        return wide_colour(opened), opened.mode
    if opened.mode.startswith("I"):
        return np.asarray(opened).astype(np.uint16)[:, :, None], "L"
    changes = EXPANDED
    # A transparent colour of a picture that keeps its mode and depth stays one in its file.
    if "transparency" in opened.info and (opened.mode != "L" or ";" in first_raw_mode(opened)):
        changes = EXPANDED | EXPANDED_CLEAR
    mode = changes.get(opened.mode, opened.mode)
    values = np.asarray(opened if mode == opened.mode else opened.convert(mode))
    return values.reshape(*values.shape[:2], -1), mode


def first_raw_mode(opened: Image.Image) -> str:
    """How the first tile is unpacked: `L;4` has 4 bits, whatever the mode says."""
    tiles = getattr(opened, "tile", ())
    return raw_mode(tiles[0].args) if tiles else opened.mode


def upright(values: Values, orientation: int) -> Values:
    """Values `[h, w, channels]` turned as an EXIF orientation (1 to 8) says."""
    if orientation in SIDEWAYS:
        values = values.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        values = values[::-1]
    if orientation in (2, 3, 6, 7):
        values = values[:, ::-1]
    return values
