"""Update the metadata of a picture that has been rotated upright or changed."""

import re
import struct

from PIL import ExifTags

ORIENTATION = int(ExifTags.Base.Orientation)
SIDEWAYS = (5, 6, 7, 8)  # the orientations that swap width and height
EXIF_HEAD = b"Exif\0\0"
ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
SHORT = 3
XMP_ORIENTATION = re.compile(rb'(tiff:Orientation\s*(?:=\s*["\']|>))[0-9]')


def upright_exif(exif: bytes) -> bytes:
    """EXIF with orientation 1, and without its thumbnail, which would be out of date. All other
    bytes, such as maker notes, keep their position. Empty if the EXIF is damaged.
    """
    start = len(EXIF_HEAD) if exif.startswith(EXIF_HEAD) else 0
    order = ORDERS.get(exif[start : start + 4])
    if order is None:
        return b""
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
        return b""
    return bytes(changed)


def upright_xmp(xmp: bytes) -> bytes:
    """XMP with orientation 1."""
    return XMP_ORIENTATION.sub(rb"\g<1>1", xmp)
