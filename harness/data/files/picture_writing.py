"""Write a photograph in the format of its source file, with the same metadata.

Pixels are written exactly, except in JPEG: that is encoded again with the source's quantisation
tables, so any pixel may change by a few levels.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, JpegImagePlugin

from harness.data.files.orientation import (
    EXIF_HEAD,
    ORIENTATION,
    SIDEWAYS,
    upright_exif,
    upright_xmp,
)
from harness.data.files.photograph import Photograph
from harness.data.files.picture_reading import opened_picture
from harness.data.files.png_writing import png_like
from harness.data.files.tiff_writing import tiff_like

LONGEST_SEGMENT = 65533  # bytes
HALF_WIDTH = 1  # Pillow's number for colours at half the width only (4:2:2)
Writer = Callable[[Path], None]


def write_like(source: Path, photograph: Photograph, file: Path) -> None:
    """Write an upright photograph in the format of `source`, with its metadata.

    A phone's JPEG with several pictures becomes a JPEG with one; WebP is written losslessly.

    Raises:
        UserInputError: `source` cannot be opened.
        OSError: `file` cannot be written.
    """
    with opened_picture(source) as opened:
        write = writer_like(opened, source, photograph)
    write(file)


def writer_like(opened: Image.Image, source: Path, photograph: Photograph) -> Writer:
    """A function that writes a photograph with the metadata of `opened`, which may be closed by
    then."""
    match opened.format:
        case "PNG":
            return png_like(source, photograph)
        case "TIFF":
            return tiff_like(opened, photograph)
        case "JPEG" | "MPO":
            return by_pillow("JPEG", photograph, jpeg_options(opened, photograph))
        case "WEBP":
            options = {"lossless": True, "exact": True, **common_options(opened, photograph)}
            return by_pillow("WEBP", photograph, options)
        case _:
            return by_pillow(str(opened.format), photograph, common_options(opened, photograph))


def by_pillow(kind: str, photograph: Photograph, options: dict[str, Any]) -> Writer:
    height, width = photograph.values.shape[:2]

    def write(file: Path) -> None:
        pixels = photograph.values.tobytes()
        Image.frombytes(photograph.mode, (width, height), pixels).save(file, kind, **options)

    return write


def common_options(opened: Image.Image, photograph: Photograph) -> dict[str, Any]:
    """Pillow's options for metadata, which formats without them ignore."""
    options: dict[str, Any] = {
        key: opened.info[key] for key in ("dpi", "comment") if key in opened.info
    }
    for key, upright in (("exif", upright_exif), ("xmp", upright_xmp)):
        if key in opened.info:
            options[key] = upright(opened.info[key])
    if "icc_profile" in opened.info and not photograph.in_srgb:
        options["icc_profile"] = opened.info["icc_profile"]
    return options


def jpeg_options(opened: Image.Image, photograph: Photograph) -> dict[str, Any]:
    """Pillow's options for encoding a JPEG with the least loss compared with its source."""
    assert isinstance(opened, JpegImagePlugin.JpegImageFile)
    options = common_options(opened, photograph)
    tables = list(opened.quantization.values())
    subsampling = JpegImagePlugin.get_sampling(opened)
    if opened.getexif().get(ORIENTATION) in SIDEWAYS:
        tables = [np.reshape(table, (8, 8)).T.ravel().tolist() for table in tables]
        subsampling = 0 if subsampling == HALF_WIDTH else subsampling
    options["qtables"] = tables
    options["subsampling"] = subsampling
    options["progressive"] = bool(opened.info.get("progressive"))
    # Photoshop's block, with captions and rights.
    blocks = [segment(b"\xff\xed", body) for name, body in opened.applist if name == "APP13"]
    if len(options.get("exif", b"")) > LONGEST_SEGMENT:
        blocks = exif_segments(options.pop("exif")) + blocks
    options["extra"] = b"".join(blocks)
    return options


def segment(marker: bytes, body: bytes) -> bytes:
    """A segment of a JPEG file: marker, length and body."""
    return marker + (len(body) + 2).to_bytes(2, "big") + body


def exif_segments(exif: bytes) -> list[bytes]:
    """EXIF that is too long for one segment, split into several: readers join them, but Pillow does
    not write them."""
    body = exif.removeprefix(EXIF_HEAD)
    step = LONGEST_SEGMENT - len(EXIF_HEAD)
    parts = [body[start : start + step] for start in range(0, len(body), step)]
    return [segment(b"\xff\xe1", EXIF_HEAD + part) for part in parts]
