"""The pictures of a rung: what a person looks at to judge a trial, and to compare it to others."""

import io

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn import functional as F

from objectives.masks import dilate
from objectives.score import Reference
from reports.page.panel_crops import GAP, HEADING, MARGIN, OUTLINE

COLUMNS = ("retouched", "restored", "original", "scored region")
CROP = 512  # pixels: about the side of an enlarged crop


def panel_png(reference: Reference, restored: Tensor, rows: int = 4) -> bytes:
    """A PNG with a row a picture: retouched | restored | original | outline of the scored region.

    Args:
        reference: the validation pictures.
        restored: `[n, 3, h, w]` in [0, 1].
        rows: how many pictures, the first ones.
    """
    originals = reference.targets[:rows]
    retouched = originals if reference.inputs is None else reference.inputs[:rows]
    outlined = outline(originals, dilate(reference.masks[:rows]))
    columns = [retouched, restored[:rows], originals, outlined]
    zoom = max(1, round(256 / originals.shape[-1]))
    cells = [as_cells(column, zoom) for column in columns]
    height, width = cells[0].shape[1:3]
    sheet = Image.new(
        "RGB",
        (len(cells) * (width + GAP) - GAP, HEADING + len(originals) * (height + GAP) - GAP),
        "white",
    )
    draw = ImageDraw.Draw(sheet)
    for place, (name, column) in enumerate(zip(COLUMNS, cells, strict=True)):
        left = place * (width + GAP)
        draw.text((left + 4, 2), name, fill="black")
        for row, cell in enumerate(column):
            sheet.paste(Image.fromarray(cell), (left, HEADING + row * (height + GAP)))
    file = io.BytesIO()
    sheet.save(file, "PNG", compress_level=1)
    return file.getvalue()


def crop_png(reference: Reference, restored: Tensor) -> bytes:
    """A PNG of the first picture that has a scored region, restored: a square around that region.

    Small ones are enlarged, so that they stay readable beside those of other trials.

    Args:
        restored: `[n, 3, h, w]` in [0, 1].
    """
    masks = dilate(reference.masks)
    first = int(masks.flatten(1).any(1).int().argmax())
    top, left, side = square_around(masks[first, 0])
    cut = restored[first : first + 1, :, top : top + side, left : left + side]
    file = io.BytesIO()
    Image.fromarray(as_cells(cut, max(1, round(CROP / side)))[0]).save(file, "PNG")
    return file.getvalue()


def square_around(region: Tensor) -> tuple[int, int, int]:
    """Top, left and side of the square around a region `[h, w]` (bool), within the picture."""
    height, width = region.shape
    most = min(height, width)
    ys, xs = region.nonzero(as_tuple=True)
    if not len(ys):
        return 0, 0, most
    (low, high), (start, end) = ((int(at.min()), int(at.max()) + 1) for at in (ys, xs))
    side = min(most, max(high - low, end - start) + 2 * round(MARGIN * most))
    top = min(max((low + high - side) // 2, 0), height - side)
    left = min(max((start + end - side) // 2, 0), width - side)
    return top, left, side


def outline(pictures: Tensor, masks: Tensor) -> Tensor:
    """The pictures with the border of each mask drawn in, one pixel wide."""
    eroded = -F.max_pool2d(-masks.float(), 3, 1, 1)
    border = masks & (eroded == 0)
    colour = torch.tensor(OUTLINE, device=pictures.device).view(1, 3, 1, 1) / 255
    return torch.where(border, colour, pictures)


def as_cells(pictures: Tensor, zoom: int) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    """`[n, 3, h, w]` in [0, 1] -> bytes `[n, h*zoom, w*zoom, 3]`, pixels kept square and sharp."""
    bytes_ = (pictures * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    return bytes_.repeat(zoom, 1).repeat(zoom, 2)
