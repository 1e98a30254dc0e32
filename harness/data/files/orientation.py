"""Metadata of a picture that has been turned upright, or changed: what it says stays true."""

import re
import struct

from PIL import ExifTags

ORIENTATION = int(ExifTags.Base.Orientation)
SIDEWAYS = (5, 6, 7, 8)  # the orientations that exchange width and height
EXIF_HEAD = b"Exif\0\0"
SHORT = 3
XMP_ORIENTATION = re.compile(rb'(tiff:Orientation\s*(?:=\s*["\']|>))[0-9]')


def upright_exif(exif: bytes) -> bytes:
    """EXIF of orientation 1, without a thumbnail, which would show the picture as it was; every
    other byte, such as a camera's own notes, stays where it is. Damaged EXIF is returned as it is.
    """
    start = len(EXIF_HEAD) if exif.startswith(EXIF_HEAD) else 0
    order = "<" if exif[start : start + 2] == b"II" else ">"
    changed = bytearray(exif)
    try:
        (first,) = struct.unpack_from(f"{order}L", exif, start + 4)
        (count,) = struct.unpack_from(f"{order}H", exif, start + first)
        entries = start + first + 2
        for entry in range(entries, entries + 12 * count, 12):
            if struct.unpack_from(f"{order}H", exif, entry) == (ORIENTATION,):
                struct.pack_into(f"{order}HHLHH", changed, entry, ORIENTATION, SHORT, 1, 1, 0)
        struct.pack_into(f"{order}L", changed, entries + 12 * count, 0)  # there is no second IFD
    except struct.error:
        return exif
    return bytes(changed)


def upright_xmp(xmp: bytes) -> bytes:
    """XMP of orientation 1."""
    return XMP_ORIENTATION.sub(rb"\g<1>1", xmp)
