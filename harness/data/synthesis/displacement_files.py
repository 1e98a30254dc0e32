"""The displacement fields stored beside made pairs: the warp of a picture, and its inverse."""

from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.config.settings import Direction
from harness.data.files.picture_reading import Picture, refuse_special
from harness.data.synthesis.liquify import Field, resample
from harness.errors import UserInputError, inline

FIELD = ".flo"
"""Ending of the file with a picture's displacement that `harness restore` writes beside it."""


def save_fields(file: Path, field: Field, inverse: Field) -> None:
    """Both fields `[2, h, w]` (x first, pixels) as float16: good to 1/64 px up to 32 px."""
    np.savez_compressed(file, field=field.astype(np.float16), inverse=inverse.astype(np.float16))


def save_flo(file: Path, displacement: NDArray[np.float32]) -> None:
    """A displacement `[h, w, 2]` in pixels, x first, in the Middlebury format of optical flow.

    "PIEH", width and height as int32, then the values row by row as float32, little-endian.
    `cv2.readOpticalFlow` and most programs in that field read it.
    """
    height, width = displacement.shape[:2]
    with file.open("wb") as out:
        out.write(b"PIEH")
        np.array([width, height], "<i4").tofile(out)
        displacement.astype("<f4", copy=False).tofile(out)


def read_field(file: Path, kind: Literal["field", "inverse"], height: int, width: int) -> Field:
    """One of the two fields of `save_fields`, `[2, h, w]`.

    Raises:
        UserInputError: `file` does not contain the fields of a picture of this size.
    """
    try:
        refuse_special(file)
        with np.load(file) as archive:
            # Checked before unpacking: two planes of at most 8 bytes per value, and a header.
            if archive.zip.getinfo(f"{kind}.npy").file_size > 16 * height * width + 4096:
                raise ValueError("larger than the fields of its pair")
            field = np.asarray(archive[kind], np.float32)
    except Exception as error:  # numpy and zipfile raise many types for damaged files
        raise UserInputError(
            f"{inline(file)} is not a file of displacement fields as `harness data make` keeps "
            "them: remove it."
        ) from error
    if field.shape != (2, height, width) or not np.isfinite(field).all():
        raise UserInputError(
            f"{inline(file)} does not fit its pair of {width} x {height}: remove it, or make the "
            "pairs again."
        )
    return field


def warped_back(retouched: Picture, file: Path, direction: Direction) -> Picture:
    """The oracle: the retouched picture `[h, w, 3]` with its known warp undone.

    In made pairs A is the retouched picture. With the direction BtoA, B is the input instead, and
    the forward field maps it to A.

    Raises:
        UserInputError: as `read_field`.
    """
    kind: Literal["field", "inverse"] = "inverse" if direction == "AtoB" else "field"
    return resample(retouched, read_field(file, kind, *retouched.shape[:2]))
