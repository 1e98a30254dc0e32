"""Cache the warped regions found by optical flow, which is slow, by the content of the pair."""

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
from harness.paths import replace_atomically
from objectives.masks import region_from_pair

# Increase when the same pictures give another region.
RECIPE = 1


def found_mask(retouched: Picture, original: Picture) -> Tensor:
    """The region where things moved between two pictures (bytes `[h, w, 3]`), bool `[1, h, w]`,
    before dilation.

    If the cache cannot be written, the only consequence is the time for another computation.
    """
    file = default_cache() / "masks" / f"{digest_of(retouched, original)}.png"
    mask = read_cached(file, original.shape[:2])
    if mask is None:
        mask = region_from_pair(to_tensor(retouched), to_tensor(original))[0].numpy()
        with contextlib.suppress(OSError), replace_atomically(file) as aside:
            Image.fromarray(mask).save(aside, "PNG")
    return torch.from_numpy(mask).unsqueeze(0)


def digest_of(retouched: Picture, original: Picture) -> str:
    """A digest of both pictures' sizes and pixels, 32 hexadecimal digits."""
    total = hashlib.sha256(f"{RECIPE} {original.shape}".encode())
    for picture in (retouched, original):
        total.update(picture.tobytes())
    return total.hexdigest()[:32]


def read_cached(file: Path, shape: tuple[int, ...]) -> NDArray[np.bool_] | None:
    """The mask of an earlier run; None if it does not exist or is damaged."""
    try:
        with Image.open(file, formats=("PNG",)) as opened:
            mask = np.array(opened.convert("1"))
    except (OSError, SyntaxError):  # Pillow raises SyntaxError for some damaged files
        return None
    return mask if mask.shape == shape else None
