"""Pictures that the tests of reading share: a gradient of colours, and PNG files of any depth."""

import struct
import zlib

import numpy as np

GRADIENT = np.stack(
    [np.tile(np.arange(64, dtype=np.uint8) * 4, (48, 1))] * 2 + [np.full((48, 64), 90, np.uint8)], 2
)


def png(width: int, height: int, depth: int, rows: bytes, colour_type: int = 2) -> bytes:
    """A PNG of the given rows; colour type RGB by default, 6 is RGBA."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data
