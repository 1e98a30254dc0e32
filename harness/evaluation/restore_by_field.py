"""Pictures of any size restored by a generator that moves pixels.

The displacement is found on the picture at the width that the generator was trained at, and scaled
up: it needs no more pixels than that. The picture itself is only ever moved, at its own size, and
pixels that nothing moves keep their bytes.
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.data.files.picture_reading import Picture
from harness.data.pairs.sizing import resized, to_tensor
from harness.training.batches import to_signed
from harness.training.networks import WarpUnet, restoring
from harness.training.warping import sample, without_tremor

# What counts as no displacement, as a share of the width at which it is found; and as no
# correction, of values from -1 to 1: half a grey level.
LEAST_SHIFT = 0.0005
LEAST_PAINTED = 1 / 255
# Pixels that are moved at once: bounds memory, whatever the size of the picture.
BAND_PIXELS = 2**21
CUBIC_REACH = 2  # pixels to each side of a place that bicubic sampling reads

Padded = Callable[[Tensor, Callable[[Tensor], Tensor]], Tensor]
"""Runs a network on a picture of any size: padded to what its sides divide by, and cut back."""


def restore_by_field(
    generator: WarpUnet, picture: Picture, padded: Padded, device: torch.device
) -> Picture:
    """The picture `[h, w, 3]`, bytes, restored at its own size."""
    height, width = picture.shape[:2]
    field, painted = maps_of(generator, picture, padded, device)
    restored = picture.copy()
    rows = max(1, BAND_PIXELS // width)
    for top in range(0, height, rows):
        band = slice(top, min(top + rows, height))
        changed, values = moved_band(picture, field, painted, band)
        restored[band][changed] = values
    return restored


def maps_of(
    generator: WarpUnet, picture: Picture, padded: Padded, device: torch.device
) -> tuple[Tensor, Tensor]:
    """The displacement `[1, 2, h, w]` in pixels of the picture at the generator's own width, and
    the correction `[1, 3, h, w]` there; exactly 0 where the generator leaves the picture alone.
    """
    height, width = picture.shape[:2]
    size = int(generator.field_size)
    small = resized(picture, (size, max(1, round(height * size / width))))

    def predict(part: Tensor) -> Tensor:
        with restoring(generator):
            return torch.cat(generator.predict(part.to(device)), 1).cpu()

    maps = padded(to_signed(to_tensor(small))[None], predict)
    return (
        without_tremor(maps[:, :2], LEAST_SHIFT * size),
        without_tremor(maps[:, 2:], LEAST_PAINTED),
    )


def moved_band(
    picture: Picture, field: Tensor, painted: Tensor, band: slice
) -> tuple[NDArray[np.bool_], Picture]:
    """Which pixels of a band of rows change, bool `[rows, w]`, and their new bytes `[k, 3]`."""
    height, width = picture.shape[:2]
    small_height, small_width = field.shape[-2:]
    y, x = torch.meshgrid(torch.arange(band.start, band.stop), torch.arange(width), indexing="ij")
    across, down = width / small_width, height / small_height
    place = ((x + 0.5) / across - 0.5)[None], ((y + 0.5) / down - 0.5)[None]
    maps = sample(torch.cat([field, painted], 1), *place)[0]
    changed = maps.ne(0).any(0)
    if not changed.any():
        return changed.numpy(), np.empty((0, 3), np.uint8)
    shift_x, shift_y, correction = maps[0] * across, maps[1] * down, maps[2:]
    from_y = (y + shift_y)[changed]
    first = min(max(0, int(from_y.min()) - CUBIC_REACH), height - 1)
    last = min(height, max(first, int(from_y.max()) + CUBIC_REACH) + 1)
    window = to_signed(to_tensor(picture[first:last]))[None]
    from_x = (x + shift_x)[changed]
    found = sample(window, from_x[None, None], (from_y - first)[None, None])[0, :, 0]
    values = ((found + correction[:, changed] + 1) * 127.5).round().clamp(0, 255).byte()
    return changed.numpy(), values.T.numpy()
