"""Warped regions found from pairs, kept by what the pictures hold: optical flow takes its time."""

import contextlib
import hashlib
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from harness.data.files.picture_reading import Picture
from harness.data.pairs.cache import default_cache
from harness.data.pairs.sizing import to_tensor
from harness.paths import write_aside
from objectives.masks import region_from_pair

# Raise when the same pictures give another region.
RECIPE = 1


def found_mask(retouched: Picture, original: Picture) -> Tensor:
    """Where two pictures (bytes `[h, w, 3]`) differ by movement, bool `[1, h, w]`, undilated.

    A cache that cannot be written costs time and nothing else.
    """
    file = default_cache() / "masks" / f"{digest_of(retouched, original)}.png"
    kept = read_kept(file, original.shape[:2])
    if kept is None:
        found = region_from_pair(to_tensor(retouched), to_tensor(original))
        kept = found[0].numpy()
        with contextlib.suppress(OSError), write_aside(file) as aside:
            Image.fromarray(kept).save(aside, "PNG")
    return torch.from_numpy(kept).unsqueeze(0)


def digest_of(retouched: Picture, original: Picture) -> str:
    """Of both pictures' sizes and pixels, 32 hexadecimal digits."""
    total = hashlib.sha256(f"{RECIPE} {original.shape}".encode())
    for picture in (retouched, original):
        total.update(picture.tobytes())
    return total.hexdigest()[:32]


def read_kept(file: Path, shape: tuple[int, ...]) -> NDArray[np.bool_] | None:
    """The mask that an earlier run left; None where there is none, or none that is whole."""
    try:
        with Image.open(file, formats=("PNG",)) as opened:
            mask = np.array(opened.convert("1"))
    except (OSError, SyntaxError):  # Pillow says the latter of some damaged files
        return None
    return mask if mask.shape == shape else None
