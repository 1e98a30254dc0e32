"""Pictures of a rung for people to look at: a panel of several, and a crop to compare trials by."""

import io
import json

import numpy as np
import torch
from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo
from torch import Tensor
from torch.nn import functional as F

from objectives.masks import dilate
from objectives.score import Reference
from reports.page.panel_crops import CLOSE, GAP, HEADING, Box

OUTLINE = (255, 64, 64)
COLUMNS = ("retouched", "restored", "original", "scored region")
CROP = 512  # approximate side of an enlarged crop, in pixels

Square = tuple[int, int, int, int]
"""A picture's number, and the top, left and side of a square in it."""


def panel_png(reference: Reference, restored: Tensor, rows: int = 4) -> bytes:
    """A PNG, one row per picture: retouched | restored | original | outline of the scored region.

    Its text chunk `regions` has the box around each row's region, in pixels of a cell, as JSON.

    Args:
        restored: `[n, 3, h, w]` in [0, 1].
        rows: number of pictures, from the first.
    """
    originals = reference.targets[:rows]
    retouched = originals if reference.inputs is None else reference.inputs[:rows]
    masks = dilate(reference.masks[:rows])
    outlined = outline(originals, masks)
    columns = [retouched, restored[:rows], originals, outlined]
    zoom = max(1, round(256 / originals.shape[-1]))
    cells = [to_cells(column, zoom) for column in columns]
    height, width = cells[0].shape[1:3]
    sheet = Image.new(
        "RGB",
        (len(cells) * (width + GAP) - GAP, HEADING + len(originals) * (height + GAP) - GAP),
        "white",
    )
    draw = ImageDraw.Draw(sheet)
    for index, (name, column) in enumerate(zip(COLUMNS, cells, strict=True)):
        left = index * (width + GAP)
        draw.text((left + 4, 2), name, fill="black")
        for row, cell in enumerate(column):
            sheet.paste(Image.fromarray(cell), (left, HEADING + row * (height + GAP)))
    file = io.BytesIO()
    info = PngInfo()
    regions = [[zoom * at for at in box_around(mask[0])] for mask in masks]
    info.add_text("regions", json.dumps(regions))
    sheet.save(file, "PNG", compress_level=1, pnginfo=info)
    return file.getvalue()


def crop_png(square: Square, restored: Tensor) -> bytes:
    """A PNG of a square of one restored picture, enlarged if it is small.

    Args:
        restored: `[n, 3, h, w]` in [0, 1].
    """
    number, top, left, side = square
    crop = restored[number : number + 1, :, top : top + side, left : left + side]
    file = io.BytesIO()
    cell = to_cells(crop, max(1, round(CROP / side)))[0]
    Image.fromarray(cell).save(file, "PNG", compress_level=1)
    return file.getvalue()


def most_changed_square(reference: Reference) -> Square:
    """The square of the first scored picture in which retouching changed the scored region most.

    It is the report's close-up: blur is most visible where most was moved.
    """
    masks = dilate(reference.masks)
    first = int(masks.flatten(1).any(1).int().argmax())
    changed = masks[first].double()
    if reference.inputs is not None:
        changed = changed * (reference.inputs - reference.targets)[first].abs().sum(0)
    side = max(1, round(CLOSE * min(changed.shape[-2:])))
    sums = F.avg_pool2d(changed, side, stride=1)[0]
    top, left = divmod(int(sums.argmax()), sums.shape[1])
    return first, top, left, side


def box_around(region: Tensor) -> Box:
    """The bounding box of a region `[h, w]` (bool); the whole picture if the region is empty."""
    ys, xs = region.nonzero(as_tuple=True)
    if not len(ys):
        return 0, 0, region.shape[1], region.shape[0]
    return int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1


def outline(pictures: Tensor, masks: Tensor) -> Tensor:
    """Draw the border of each mask, one pixel wide, on pictures `[n, 3, h, w]` in [0, 1]."""
    eroded = -F.max_pool2d(-masks.float(), 3, 1, 1)
    border = masks & (eroded == 0)
    colour = torch.tensor(OUTLINE, device=pictures.device).view(1, 3, 1, 1) / 255
    return torch.where(border, colour, pictures)


def to_cells(pictures: Tensor, zoom: int) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    """`[n, 3, h, w]` in [0, 1] -> bytes `[n, h*zoom, w*zoom, 3]`, by repeating pixels."""
    bytes_ = (pictures * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    return bytes_.repeat(zoom, 1).repeat(zoom, 2)
