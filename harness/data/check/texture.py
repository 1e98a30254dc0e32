"""Measure tone, fine detail and JPEG blocks of one picture, in one pass over its pixels."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.data.files.picture_reading import Picture

# Cells along the short side, and rows processed at once, which bounds memory.
CELLS = 256
BAND = 64
BLOCK = 8


@dataclass(frozen=True)
class Texture:
    """Measurements of one picture.

    Attributes:
        cell: side of a cell in pixels; 1 for a picture under 512 pixels.
        tone: mean luma of each cell, 0..255.
        detail: mean squared Laplacian of each cell.
        blocks: mean step across the borders of JPEG's 8-pixel blocks, divided by the mean of all
            steps; 1 without visible blocks.
    """

    cell: int
    tone: NDArray[np.float32]
    detail: NDArray[np.float32]
    blocks: float


def texture(luma: Picture) -> Texture:
    """Measure a luma `[h, w]`, at least 32 pixels a side."""
    height, width = luma.shape
    cell = max(1, min(height, width) // CELLS)
    padded = np.pad(luma, 1, mode="symmetric")
    tone, detail, down = [], [], []
    across = np.zeros(width, np.float64)
    for rows in bands(height, cell):
        near = padded[rows.start : rows.stop + 2].astype(np.float32)
        here, right, below = near[1:-1, 1:-1], near[1:-1, 2:], near[2:, 1:-1]
        laplacian = near[:-2, 1:-1] + below + near[1:-1, :-2] + right - 4 * here
        tone.append(cell_means(here, cell))
        detail.append(cell_means(np.square(laplacian), cell))
        across += np.abs(right - here).sum(axis=0)
        down.append(np.abs(below - here).mean(axis=1))
    # Without the last step, which leads into the padding.
    steps = (across[:-1] / height, np.concatenate(down)[:-1])
    ratios = [(each[BLOCK - 1 :: BLOCK].mean() + 0.1) / (each.mean() + 0.1) for each in steps]
    return Texture(cell, np.concatenate(tone), np.concatenate(detail), float(np.mean(ratios)))


def bands(height: int, cell: int) -> Iterator[slice]:
    """Bands of rows, each of whole cells except perhaps the last."""
    step = cell * max(1, BAND // cell)
    for top in range(0, height, step):
        yield slice(top, min(top + step, height))


def cell_means(values: NDArray[np.float32], cell: int) -> NDArray[np.float32]:
    """Means over cells of `cell` x `cell` pixels; incomplete cells at the right and bottom are
    left out."""
    height, width = (side // cell * cell for side in values.shape)
    rows = sum_of(values[first:height:cell] for first in range(cell))
    return sum_of(rows[:, first:width:cell] for first in range(cell)) / np.float32(cell**2)


def sum_of(parts: Iterator[NDArray[np.float32]]) -> NDArray[np.float32]:
    total = next(parts)
    for part in parts:
        total = total + part
    return total
