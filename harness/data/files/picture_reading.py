"""One picture file -> RGB bytes, or one sentence that says why not."""

import io
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps, TiffImagePlugin, UnidentifiedImageError

from harness.data.files import bit_depth as depth
from harness.errors import UserInputError, on_one_line

Picture = NDArray[np.uint8]

# Whatever a file is called, its bytes choose Pillow's reader: of PostScript that is Ghostscript.
FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "PPM")
# The 102 megapixels of medium-format cameras fit, as do two halves of 7,700 x 7,700; a file that
# claims more is refused before it is unpacked.
MAX_PIXELS = 120_000_000
MIN_SIDE = 32
# A TIFF's tag of what a page is: bit 0 a reduced copy, bit 2 a transparency mask.
SUBFILE_TYPE, SERVING = 254, 0b101
# Of a mask's grey values; above is white.
HALF = 127


def refuse_special(file: Path) -> None:
    """Refuse what is no regular file: a pipe would be waited for without end.

    Raises:
        OSError: there is no such file.
        UserInputError: it is a folder, a pipe, a socket or a device.
    """
    mode = file.stat().st_mode
    if not stat.S_ISREG(mode):
        what = "a folder" if stat.S_ISDIR(mode) else "a pipe, a socket or a device"
        raise UserInputError(f"{shown(file)} is {what}, not a file: replace it or remove it.")


@contextmanager
def opened_picture(file: Path) -> Iterator[Image.Image]:
    """A user's picture, its pixels not yet read: the one place where any is opened.

    Raises:
        UserInputError: the file is missing, empty, no picture, damaged or too large; or the block
            could not read it.
    """
    try:
        refuse_special(file)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(file, formats=FORMATS) as opened:
                if opened.width * opened.height > MAX_PIXELS:
                    raise UserInputError(
                        f"{shown(file)} says it has {opened.width} x {opened.height} pixels, more "
                        f"than the {MAX_PIXELS:,} that are read: scale it down or remove it."
                    )
                yield opened
    except UserInputError:
        raise
    except UnidentifiedImageError as error:
        why = "is empty"
        if file.stat().st_size:
            why = f"is no picture in a supported format ({', '.join(FORMATS)})"
        raise UserInputError(f"{shown(file)} {why}: replace it or remove it.") from error
    except Image.DecompressionBombError as error:
        raise UserInputError(
            f"{shown(file)} says it has more than the {MAX_PIXELS:,} pixels that are read: scale "
            "it down or remove it."
        ) from error
    except FileNotFoundError as error:
        raise UserInputError(f"{shown(file)} is not there (or its link leads nowhere).") from error
    except PermissionError as error:
        raise UserInputError(
            f"{shown(file)} may not be read ({error.strerror}): give yourself the right to, or "
            "remove it."
        ) from error
    except depth.OtherDepthError as error:
        raise UserInputError(
            f"{shown(file)} cannot be scaled to 8 bits as the others are ({error}): save it with 8 "
            "bits, or remove it."
        ) from error
    except Exception as error:  # Pillow's decoders raise many kinds on damaged bytes
        raise UserInputError(
            f"{shown(file)} cannot be read as a picture ({reason(error)}): it is damaged or "
            "truncated; replace it or remove it."
        ) from error


def read_picture(file: Path, bits: int = depth.WIDEST) -> Picture:
    """A picture as it is meant to be seen: upright, in sRGB, 8 bits, `[h, w, 3]`, read-only.

    16 bits are scaled to 8, grey and CMYK converted, EXIF orientation applied, alpha laid over
    white, an embedded colour profile converted. Previews, masks and depth maps that stand behind
    the picture in the same JPEG or TIFF are not looked at.

    Args:
        bits: how many of its 16 bits a wide picture uses (`shared_depth.bits_of`).

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
    """Refuse a file of several pictures.

    Raises:
        UserInputError: it is one.
    """
    frames = frames_of(opened)
    if frames > 1:
        raise UserInputError(
            f"{shown(file)} holds {frames} frames, an animation or several pages: give one "
            "picture a file."
        )


def frames_of(opened: Image.Image) -> int:
    """How many pictures of equal standing a file holds: those of a phone's JPEG serve its first,
    as a TIFF's reduced copies and transparency masks do."""
    frames = getattr(opened, "n_frames", 1)
    if opened.format == "MPO":
        return 1
    if not isinstance(opened, TiffImagePlugin.TiffImageFile):
        return frames
    standing = 1
    for number in range(1, frames):
        opened.seek(number)
        standing += not opened.tag_v2.get(SUBFILE_TYPE, 0) & SERVING
    opened.seek(0)
    return standing


def to_rgb(picture: Image.Image, bits: int) -> Picture:
    """Any mode Pillow opens -> upright sRGB bytes. `picture` itself may be turned."""
    # A copy less is 240 MB of the largest picture.
    ImageOps.exif_transpose(picture, in_place=True)
    if picture.mode.startswith("I"):
        return np.repeat(depth.scaled(np.asarray(picture), bits)[:, :, None], 3, axis=2)
    if picture.mode == "F":
        raise ValueError("floating-point pixels, whose range is not known")
    if "A" in picture.getbands() or "transparency" in picture.info:
        layered = picture.convert("RGBA")
        white = Image.new("RGBA", layered.size, "white")
        return np.asarray(Image.alpha_composite(white, layered).convert("RGB"))
    return np.asarray(in_srgb(picture))


def in_srgb(picture: Image.Image) -> Image.Image:
    """Convert from the embedded colour profile, where there is a usable one, else plainly."""
    profile = picture.info.get("icc_profile")
    if profile and picture.mode in ("RGB", "CMYK", "L"):
        try:
            held = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if "sRGB" not in ImageCms.getProfileDescription(held):
                srgb = ImageCms.createProfile("sRGB")
                converted = ImageCms.profileToProfile(picture, held, srgb, outputMode="RGB")
                if converted is not None:
                    return converted
        except (ImageCms.PyCMSError, OSError):
            pass  # a broken profile: the pixels are still there
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def split_halves(picture: Picture, file: Path) -> tuple[Picture, Picture]:
    """The left (A) and right (B) half of a side-by-side picture.

    Raises:
        UserInputError: the width is odd or a half is too small to be one.
    """
    height, width = picture.shape[:2]
    if width % 2:
        raise UserInputError(
            f"{shown(file)} is {width} pixels wide, an odd number, so it is not two halves of one "
            "size: put A and B side by side at the same width."
        )
    if min(width // 2, height) < MIN_SIDE:
        raise UserInputError(
            f"{shown(file)} is {width} x {height}: its halves are under {MIN_SIDE} pixels a side, "
            "too small to be a pair."
        )
    return picture[:, : width // 2], picture[:, width // 2 :]


def read_mask(file: Path, height: int, width: int) -> NDArray[np.bool_]:
    """A mask picture, white (above half) where the picture was warped, scaled to the pair.

    Raises:
        UserInputError: as `drawn_mask`.
    """
    grey = drawn_mask(file)
    if grey.size != (width, height):
        grey = grey.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(grey) > HALF


def drawn_mask(file: Path) -> Image.Image:
    """A mask picture in grey, of its own size.

    Raises:
        UserInputError: it cannot be read, or has something brighter than black and nothing white.
    """
    grey = Image.fromarray(read_picture(file, own_bits(file))).convert("L")
    brightest = int(np.asarray(grey).max())
    if 0 < brightest <= HALF:
        raise UserInputError(
            f"{shown(file)} has no white in it (its brightest value is {brightest} of 255): paint "
            "the warped region white (255) and the rest black."
        )
    return grey


def own_bits(file: Path) -> int:
    """The bits that a mask uses: it belongs to no other picture's range."""
    with opened_picture(file) as opened:
        wide = depth.is_wide(opened)
        return depth.bits_for(depth.largest_value(opened)) if wide else depth.WIDEST


def shown(file: Path | str) -> str:
    """A path as part of a sentence: on one line, whatever its name holds."""
    return on_one_line(file)


def reason(error: Exception) -> str:
    """The first line of what a library says, or the error's kind."""
    return (str(error).splitlines() or [type(error).__name__])[0]
