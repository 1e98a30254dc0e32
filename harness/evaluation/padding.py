"""Pad pictures of any size for networks whose input's sides must be multiples of a number."""

from collections.abc import Callable

import torch
from torch import Tensor

# Below this, the deepest layer of a residual generator is too small to normalise or mirror.
LEAST_SIDE = 16


def run_padded(picture: Tensor, multiple: int, run: Callable[[Tensor], Tensor]) -> Tensor:
    """Mirror-pad `[1, 3, h, w]` to multiples of `multiple`, call `run`, and crop back."""
    height, width = picture.shape[-2:]
    (top, rows), (left, columns) = (mirror_indices(side, multiple) for side in (height, width))
    restored = run(picture[:, :, rows][..., columns])
    return restored[:, :, top : top + height, left : left + width]


def mirror_indices(side: int, multiple: int) -> tuple[int, Tensor]:
    """Where the picture begins in the padded side, and the source index of each padded pixel."""
    longer = max(LEAST_SIDE, -(-side // multiple) * multiple)
    offset = (longer - side) // 2
    period = max(1, 2 * side - 2)
    place = (torch.arange(longer) - offset) % period
    return offset, torch.where(place < side, place, period - place)
