"""One picture file -> RGB bytes, or one sentence that says why not."""

import io
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from harness.errors import UserInputError

Picture = NDArray[np.uint8]

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".ppm"})
# Two halves of 6,000 x 6,000 fit; a file that claims more is refused before it is unpacked.
MAX_PIXELS = 80_000_000
MIN_SIDE = 32


def is_picture(file: Path) -> bool:
    """Whether the file's name says so; names starting with a dot are other programs' files."""
    return file.suffix.lower() in SUFFIXES and not file.name.startswith(".")


def read_picture(file: Path) -> Picture:
    """A picture as it is meant to be seen: upright, in sRGB, 8 bits, `[h, w, 3]`, read-only.

    16 bits are scaled to 8, grey and CMYK converted, EXIF orientation applied, alpha laid over
    white, an embedded colour profile converted.

    Raises:
        UserInputError: the file is missing, empty, no picture, truncated, animated or too large.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(file) as opened:
                if opened.width * opened.height > MAX_PIXELS:
                    raise UserInputError(
                        f"{shown(file)} says it has {opened.width} x {opened.height} pixels, more "
                        f"than the {MAX_PIXELS:,} that are read: scale it down or remove it."
                    )
                frames = getattr(opened, "n_frames", 1)
                if frames > 1:
                    raise UserInputError(
                        f"{shown(file)} holds {frames} frames, an animation or several "
                        "pages: give one picture a file."
                    )
                opened.load()
                return to_rgb(opened)
    except UserInputError:
        raise
    except UnidentifiedImageError as error:
        why = "is empty" if file.exists() and file.stat().st_size == 0 else "is no picture"
        raise UserInputError(f"{shown(file)} {why}: replace it or remove it.") from error
    except Image.DecompressionBombError as error:
        raise UserInputError(
            f"{shown(file)} says it has more than {2 * MAX_PIXELS:,} pixels: scale it down or "
            "remove it."
        ) from error
    except FileNotFoundError as error:
        raise UserInputError(f"{shown(file)} is not there (or its link leads nowhere).") from error
    except PermissionError as error:
        raise UserInputError(
            f"{shown(file)} may not be read ({error.strerror}): give yourself the right to, or "
            "remove it."
        ) from error
    except Exception as error:  # Pillow's decoders raise many kinds on damaged bytes
        raise UserInputError(
            f"{shown(file)} cannot be read as a picture ({reason(error)}): it is damaged or "
            "truncated; replace it or remove it."
        ) from error


def to_rgb(picture: Image.Image) -> Picture:
    """Any mode Pillow opens -> upright sRGB bytes. `picture` itself may be turned."""
    # A copy less is 240 MB of the largest picture.
    ImageOps.exif_transpose(picture, in_place=True)
    if picture.mode.startswith("I"):
        wide = np.asarray(picture).astype(np.float32)
        grey = np.clip(np.rint(wide / 257), 0, 255).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
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
    """A mask picture, white (above half) where the picture was warped, scaled to the pair."""
    grey = Image.fromarray(read_picture(file)).convert("L")
    if grey.size != (width, height):
        grey = grey.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(grey) > 127


def shown(file: Path) -> str:
    """A path as part of a sentence: on one line, whatever its name holds."""
    return str(file).encode("unicode_escape").decode() if not str(file).isprintable() else str(file)


def reason(error: Exception) -> str:
    """The first line of what a library says, or the error's kind."""
    return (str(error).splitlines() or [type(error).__name__])[0]
