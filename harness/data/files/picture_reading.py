"""Read one picture file as RGB bytes, or raise an error for the user."""

import io
import stat
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps, TiffImagePlugin, UnidentifiedImageError

from harness.data.files import bit_depth as depth
from harness.errors import UserInputError, inline, quantity

Picture = NDArray[np.uint8]

# Pillow chooses a decoder by content, not by file name. Without this list, a PostScript file would
# start Ghostscript.
FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "PPM")
# The 102 megapixels of medium-format cameras fit, as do two halves of 7,700 x 7,700; a file that
# claims more is refused before it is unpacked.
MAX_PIXELS = 120_000_000
MIN_SIDE = 32
# A picture that is enlarged more than this is no longer sharp.
MAX_ENLARGEMENT = 1.2
# TIFF's NewSubfileType tag: bit 0 is a reduced copy, bit 2 a transparency mask.
SUBFILE_TYPE, AUXILIARY = 254, 0b101
PHOTOMETRIC, WHITE_IS_ZERO = 262, 0
# Grey values of a mask above this are white.
HALF = 127
# Correlation of the halves of a pair; of 17 photographs none had more than 0.63, of pairs none
# less than 0.98.
ALIKE = 0.9


def refuse_special(file: Path) -> None:
    """Refuse anything but a regular file, since reading a pipe could block forever.

    Raises:
        OSError: the file does not exist.
        UserInputError: it is a folder, a pipe, a socket or a device.
    """
    mode = file.stat().st_mode
    if not stat.S_ISREG(mode):
        what = "a folder" if stat.S_ISDIR(mode) else "a pipe, a socket or a device"
        raise UserInputError(f"{inline(file)} is {what}, not a file: replace it or remove it.")


@contextmanager
def opened_picture(file: Path) -> Iterator[Image.Image]:
    """Open a user's picture without decoding its pixels. All pictures are opened here.

    Raises:
        UserInputError: the file is missing, empty, no picture, damaged or too large; also if
            decoding fails inside the block.
    """
    try:
        refuse_special(file)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            warnings.filterwarnings(
                "ignore", module="PIL"
            )  # warnings about damaged EXIF, although the pixels are fine
            with Image.open(file, formats=FORMATS) as opened:
                if opened.width * opened.height > MAX_PIXELS:
                    raise UserInputError(
                        f"{inline(file)} says it has {opened.width} x {opened.height} pixels, more "
                        f"than the {MAX_PIXELS:,} that are read: scale it down or remove it."
                    )
                yield opened
    except UserInputError:
        raise
    except UnidentifiedImageError as error:
        why = "is empty"
        if file.stat().st_size:
            why = f"is no picture in a supported format ({', '.join(FORMATS)})"
        raise UserInputError(f"{inline(file)} {why}: replace it or remove it.") from error
    except Image.DecompressionBombError as error:
        raise UserInputError(
            f"{inline(file)} says it has more than the {MAX_PIXELS:,} pixels that are read: scale "
            "it down or remove it."
        ) from error
    except FileNotFoundError as error:
        raise UserInputError(f"{inline(file)} does not exist (or is a broken link).") from error
    except PermissionError as error:
        raise UserInputError(
            f"{inline(file)} may not be read ({error.strerror}): change its permissions, or "
            "remove it."
        ) from error
    except depth.OtherDepthError as error:
        raise UserInputError(
            f"{inline(file)} cannot be scaled to 8 bits like the others ({error}): save it with 8 "
            "bits, or remove it."
        ) from error
    except Exception as error:  # Pillow's decoders raise many types for damaged files
        raise UserInputError(
            f"{inline(file)} cannot be read as a picture ({reason(error)}): it is damaged or "
            "truncated; replace it or remove it."
        ) from error


def read_picture(file: Path, bits: int = depth.WIDEST) -> Picture:
    """A picture as a viewer displays it: upright, sRGB, 8 bits, `[h, w, 3]`, read-only.

    16 bits are scaled to 8, grey and CMYK are converted, EXIF orientation is applied, alpha is
    composited over white, an embedded colour profile is converted. Previews, masks and depth maps
    in the same JPEG or TIFF are ignored.

    Args:
        bits: the number of bits that a 16-bit picture uses (`folder_bit_depth.bits_of`).

    Raises:
        UserInputError: the file is missing, empty, no picture, truncated, animated or too large.
    """
    with opened_picture(file) as opened:
        refuse_several(opened, file)
        if bits < depth.WIDEST and depth.has_wide_colour(opened):
            depth.narrow_colour(opened, bits)
        opened.load()
        return to_rgb(opened, bits)


def refuse_several(opened: Image.Image, file: Path) -> None:
    """Refuse a file with several pictures.

    Raises:
        UserInputError: it has several.
    """
    frames = frames_of(opened)
    if frames > 1:
        raise UserInputError(
            f"{inline(file)} holds {frames} frames, an animation or several pages: save one "
            "picture per file."
        )


def frames_of(opened: Image.Image) -> int:
    """The number of independent pictures in a file. Auxiliary ones do not count: the further
    frames of a phone's JPEG, and reduced copies and transparency masks in a TIFF."""
    frames = getattr(opened, "n_frames", 1)
    if opened.format == "MPO":
        return 1
    if not isinstance(opened, TiffImagePlugin.TiffImageFile):
        return frames
    independent = 1
    for number in range(1, frames):
        opened.seek(number)
        independent += not opened.tag_v2.get(SUBFILE_TYPE, 0) & AUXILIARY
    opened.seek(0)
    return independent


def to_rgb(picture: Image.Image, bits: int) -> Picture:
    """Convert any mode of Pillow to upright sRGB bytes. May rotate `picture` in place."""
    # In place, since a copy of the largest picture takes 240 MB.
    ImageOps.exif_transpose(picture, in_place=True)
    if picture.mode.startswith("I"):
        grey = depth.scaled(np.asarray(picture), bits)
        if white_is_zero(picture):  # which Pillow inverts in 8 bits only
            grey = 255 - grey
        return np.repeat(grey[:, :, None], 3, axis=2)
    if picture.mode == "F":
        raise ValueError("floating-point pixels, whose range is not known")
    if "A" in picture.getbands() or "transparency" in picture.info:
        layered = picture.convert("RGBA")
        white = Image.new("RGBA", layered.size, "white")
        return np.asarray(Image.alpha_composite(white, layered).convert("RGB"))
    return np.asarray(in_srgb(picture))


def white_is_zero(picture: Image.Image) -> bool:
    """Whether a grey TIFF stores white as 0."""
    return (
        isinstance(picture, TiffImagePlugin.TiffImageFile)
        and picture.tag_v2.get(PHOTOMETRIC) == WHITE_IS_ZERO
    )


def in_srgb(picture: Image.Image) -> Image.Image:
    """Convert to sRGB by the embedded colour profile, or to plain RGB without a valid one."""
    profile = picture.info.get("icc_profile")
    if profile and picture.mode in ("RGB", "CMYK", "L"):
        try:
            embedded = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if "sRGB" not in ImageCms.getProfileDescription(embedded):
                srgb = ImageCms.createProfile("sRGB")
                converted = ImageCms.profileToProfile(picture, embedded, srgb, outputMode="RGB")
                if converted is not None:
                    return converted
        except (ImageCms.PyCMSError, OSError):
            pass  # a damaged profile: the pixels are still usable
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def split_halves(picture: Picture, file: Path) -> tuple[Picture, Picture]:
    """The left (A) and right (B) half of a side-by-side picture.

    Raises:
        UserInputError: the width is odd, or a half is too small.
    """
    height, width = picture.shape[:2]
    if width % 2:
        raise UserInputError(
            f"{inline(file)} is {width} pixels wide, an odd number, so it is not two halves of one "
            "size: put A and B side by side at the same width, or, if these are originals alone, "
            "have pairs made of them with harness search --originals DIR."
        )
    if min(width // 2, height) < MIN_SIDE:
        raise UserInputError(
            f"{inline(file)} is {width} x {height}: its halves are under {MIN_SIDE} pixels a side, "
            "too small to be a pair."
        )
    return picture[:, : width // 2], picture[:, width // 2 :]


def halves_alike(picture: Picture) -> bool:
    """Whether the left and the right half show one picture, as those of a pair side by side."""
    small = Image.fromarray(picture).resize((64, 32), Image.Resampling.BOX).convert("L")
    left, right = (half.ravel() for half in np.hsplit(np.asarray(small, np.float64), 2))
    return bool(min(left.std(), right.std()) > 1 and np.corrcoef(left, right)[0, 1] > ALIKE)


def side_by_side_remark(paired: Sequence[Path], pictures: int) -> str:
    """The beginning of a sentence: how many of the pictures look like pairs side by side."""
    return (
        f"In {len(paired)} of {quantity(pictures, 'picture')} (first {inline(paired[0])}) both "
        "halves show the same, as in a pair side by side"
    )


def read_mask(file: Path, height: int, width: int) -> NDArray[np.bool_]:
    """A mask at the size of its pair; True where its picture is white (warped region).

    Raises:
        UserInputError: see `drawn_mask`.
    """
    grey = drawn_mask(file)
    if grey.size != (width, height):
        grey = grey.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(grey) > HALF


def drawn_mask(file: Path) -> Image.Image:
    """A mask picture in grey, at its own size.

    Raises:
        UserInputError: it cannot be read, or it is neither black nor has any white.
    """
    grey = Image.fromarray(read_picture(file, mask_bits(file))).convert("L")
    brightest = int(np.asarray(grey).max())
    if 0 < brightest <= HALF:
        raise UserInputError(
            f"{inline(file)} has no white in it (its brightest value is {brightest} of 255): paint "
            "the warped region white (255) and the rest black."
        )
    return grey


def mask_bits(file: Path) -> int:
    """The number of bits that a mask uses, independent of the pictures."""
    with opened_picture(file) as opened:
        wide = depth.is_wide(opened)
        return depth.bits_for(depth.largest_value(opened)) if wide else depth.WIDEST


def reason(error: Exception) -> str:
    """The first line of an exception's message, or its type."""
    return (str(error).splitlines() or [type(error).__name__])[0]
