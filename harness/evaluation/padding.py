"""Pictures of any size for networks whose sides must divide by a number."""

from collections.abc import Callable

import torch
from torch import Tensor

# Below this, a residual generator's smallest layer has nothing to normalise or to mirror.
LEAST_SIDE = 16


def padded(picture: Tensor, multiple: int, run: Callable[[Tensor], Tensor]) -> Tensor:
    """`run` on `[1, 3, h, w]` mirrored up to a multiple of both sides, cut back to its size."""
    height, width = picture.shape[-2:]
    (top, rows), (left, columns) = (mirrored(side, multiple) for side in (height, width))
    restored = run(picture[:, :, rows][..., columns])
    return restored[:, :, top : top + height, left : left + width]


def mirrored(side: int, multiple: int) -> tuple[int, Tensor]:
    """Where the picture begins in a side mirrored up to a multiple, and that side's indices."""
    longer = max(LEAST_SIDE, -(-side // multiple) * multiple)
    before = (longer - side) // 2
    period = max(1, 2 * side - 2)
    place = (torch.arange(longer) - before) % period
    return before, torch.where(place < side, place, period - place)
