"""Write TIFF with 8 or 16 bits per channel and the tags of another file. Pillow has no 16-bit
colours.

In strips with lossless compression (deflate, horizontal differences).
"""

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image, TiffImagePlugin, TiffTags
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from harness.data.files.orientation import ORIENTATION, upright_xmp
from harness.data.files.photograph import EXTRA_SAMPLES, Photograph

STRIP_BYTES = 2**20
PHOTOMETRIC = {"L": 1, "LA": 1, "RGB": 2, "RGBA": 2, "CMYK": 5}
ALPHA, DEFLATE, DIFFERENCES = 2, 8, 2
SHORT, LONG = TiffTags.SHORT, TiffTags.LONG
STRIP_OFFSETS, STRIP_LENGTHS = 273, 279
PROFILE, XMP = 34675, 700
EXIF, GPS, INTEROP = (int(ExifTags.IFD[name]) for name in ("Exif", "GPSInfo", "Interop"))
# Tags about the storage of pixels, previews, and Photoshop's layers, which have the old picture.
DROPPED = {
    *(254, 255, 256, 257, 258, 259, 262, 263, 266, 273, 277, 278, 279, 280, 281, 284, 290, 291),
    *(292, 293, 301, 317, 320, 322, 323, 324, 325, 330, EXTRA_SAMPLES, 339, 340, 341, 347),
    *(512, 513, 514, 515, 517, 518, 519, 520, 521, 529, 530, 531, 532, 37724),
}


def tiff_like(opened: Image.Image, photograph: Photograph) -> Callable[[Path], None]:
    """A function that writes a photograph with the tags of `opened`."""
    assert isinstance(opened, TiffImagePlugin.TiffImageFile)
    tags = tags_of(opened)
    if photograph.in_srgb:
        tags.pop(PROFILE, None)
    height, width, channels = photograph.values.shape
    bits = 8 * photograph.values.itemsize
    rows = max(1, STRIP_BYTES // photograph.values[0].nbytes)
    stored: dict[int, tuple[int, Any]] = {
        256: (LONG, width),
        257: (LONG, height),
        258: (SHORT, (bits,) * channels),
        259: (SHORT, DEFLATE),
        262: (SHORT, PHOTOMETRIC[photograph.mode]),  # Pillow has inverted where white is 0
        277: (SHORT, channels),
        278: (LONG, rows),
        284: (SHORT, 1),
        317: (SHORT, DIFFERENCES),
    }
    if photograph.mode.endswith("A"):
        stored[EXTRA_SAMPLES] = SHORT, ALPHA

    def write(file: Path) -> None:
        strips = [packed(photograph.values[top : top + rows]) for top in range(0, height, rows)]
        lengths = [len(strip) for strip in strips]
        offsets = np.cumsum([0, *lengths[:-1]]).tolist()  # from the end of the tags
        directory = ImageFileDirectory_v2()
        where = {STRIP_OFFSETS: (LONG, tuple(offsets)), STRIP_LENGTHS: (LONG, tuple(lengths))}
        for tag, (kind, value) in (tags | stored | where).items():
            directory.tagtype[tag] = kind
            directory[tag] = value
        with file.open("wb") as out:
            directory.save(out)
            out.writelines(strips)

    return write


def packed(rows: np.ndarray) -> bytes:
    """A compressed strip of rows `[h, w, channels]`."""
    differences = rows.copy()
    differences[:, 1:] -= rows[:, :-1]
    return zlib.compress(differences.astype(rows.dtype.newbyteorder("<")).tobytes())


def tags_of(opened: TiffImagePlugin.TiffImageFile) -> dict[int, tuple[int, Any]]:
    """Type and value of every tag that is not about the storage of pixels."""
    tags = {}
    exif = opened.getexif()
    for tag, value in opened.tag_v2.items():
        if tag in DROPPED:
            continue
        if tag == ORIENTATION:
            value = 1
        elif tag == XMP and isinstance(value, bytes):
            value = upright_xmp(value)
        elif tag in (EXIF, GPS):
            value = dict(exif.get_ifd(tag))
            if INTEROP in value:
                value[INTEROP] = dict(exif.get_ifd(INTEROP))
        elif isinstance(value, str):
            value = value.encode("latin-1")  # as Pillow reads it; it would write ASCII
        kind = LONG if tag in (EXIF, GPS) else opened.tag_v2.tagtype[tag]
        tags[tag] = kind, value
    return tags
