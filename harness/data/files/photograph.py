"""Read a photograph's original values: 8 or 16 bits, alpha, any colour profile.

`picture_reading` converts pictures to sRGB bytes for networks. To change only a part of a picture
and leave the rest exactly as it is, the original values are needed.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from harness.data.files.bit_depth import has_wide_colour, raw_mode, wide_colour
from harness.data.files.orientation import ORIENTATION, SIDEWAYS
from harness.data.files.picture_reading import opened_picture, refuse_several, white_is_zero
from harness.errors import UserInputError, inline

Values = NDArray[np.unsignedinteger[Any]]

EXTRA_SAMPLES, PLAIN_ALPHA = 338, {2, 999}
# Lossless conversions of Pillow's modes; other modes are kept.
EXPANDED = {"1": "L", "P": "RGB", "PA": "RGBA"}
# The same for a picture with a transparent colour, or a palette with transparent entries.
EXPANDED_CLEAR = {"1": "LA", "L": "LA", "P": "RGBA"}
KEPT = ("L", "LA", "RGB", "RGBA", "CMYK")


@dataclass(frozen=True)
class Photograph:
    """Upright pixels.

    Attributes:
        values: `[h, w, channels]`, uint8 or uint16; colours are not premultiplied by alpha.
        mode: the channels: L, LA, RGB, RGBA or CMYK.
        in_srgb: whether colours were converted, so that the file's profile no longer applies.
    """

    values: Values
    mode: str
    in_srgb: bool = False

    @property
    def colours(self) -> int:
        """The number of channels without alpha."""
        return len(self.mode) - self.mode.endswith("A")


def read_photograph(file: Path) -> Photograph:
    """Read a picture's original values.

    Raises:
        UserInputError: it cannot be read without loss.
    """
    with opened_picture(file) as opened:
        refuse_lossy(opened, file)
        values, mode = values_of(opened)
        # After the values, since in a PNG the EXIF may follow them.
        orientation = opened.getexif().get(ORIENTATION, 1)
    return Photograph(upright(values, orientation), mode)


def refuse_lossy(opened: Image.Image, file: Path) -> None:
    """Refuse a picture that `values_of` cannot read without loss. Does not decode its pixels.

    Raises:
        UserInputError: it contains several pictures, or values that Pillow would change.
    """
    refuse_several(opened, file)
    if what := lossy_kind(opened):
        raise UserInputError(
            f"{inline(file)} holds {what}, which cannot be kept without loss: save it as grey, RGB "
            "or CMYK of 8 or 16 bits."
        )


def lossy_kind(opened: Image.Image) -> str:
    """The content of a file that cannot be read without loss; "" if all can."""
    if opened.mode not in (*KEPT, *EXPANDED, "I;16", "I;16B", "I;16L"):
        kinds = {"F": "floating-point pixels", "I": "pixels of 32 or signed bits"}
        return kinds.get(opened.mode, f"pixels of the kind {opened.mode}")
    if (opened.format, opened.mode) == ("BMP", "RGBA"):
        return "a BMP with transparency"  # which Pillow reads and does not write
    if isinstance(opened, TiffImagePlugin.TiffImageFile):
        if opened.mode.startswith("I;16") and white_is_zero(opened):
            return "16 bits of grey with white stored as 0"
        extra = set(opened.tag_v2.get(EXTRA_SAMPLES, ()))
        if extra - PLAIN_ALPHA or len(opened.tag_v2.get(EXTRA_SAMPLES, ())) > 1:
            return "extra channels that are not plain transparency"
    for tile in getattr(opened, "tile", ()):
        if raw_mode(tile.args).startswith("LA;16"):
            return "16 bits of grey with transparency"
        if tile.codec_name.startswith("ppm") and most_of(tile.args) > 255:
            return "more than 8 bits in a PPM"
    return ""


def most_of(args: Any) -> int:
    """The maximum value of a PPM, from the arguments of its decoder."""
    return int(args[1]) if isinstance(args, tuple) else 255


def values_of(opened: Image.Image) -> tuple[Values, str]:
    """The values `[h, w, channels]` of an opened picture that is not loaded yet, and their mode."""
    if has_wide_colour(opened):
        return wide_colour(opened), opened.mode
    if opened.mode.startswith("I"):
        return np.asarray(opened).astype(np.uint16)[:, :, None], "L"
    changes = EXPANDED
    # If mode and depth do not change, a transparent colour is preserved in the file.
    if "transparency" in opened.info and (opened.mode != "L" or ";" in first_raw_mode(opened)):
        changes = EXPANDED | EXPANDED_CLEAR
    mode = changes.get(opened.mode, opened.mode)
    values = np.asarray(opened if mode == opened.mode else opened.convert(mode))
    return values.reshape(*values.shape[:2], -1), mode


def first_raw_mode(opened: Image.Image) -> str:
    """The raw mode of the first tile: `L;4` means 4 bits, although the mode is `L`."""
    tiles = getattr(opened, "tile", ())
    return raw_mode(tiles[0].args) if tiles else opened.mode


def upright(values: Values, orientation: int) -> Values:
    """Values `[h, w, channels]` rotated upright by an EXIF orientation (1 to 8)."""
    if orientation in SIDEWAYS:
        values = values.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        values = values[::-1]
    if orientation in (2, 3, 6, 7):
        values = values[:, ::-1]
    return values
