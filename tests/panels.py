"""Panels as trials leave them, of plain colours."""

import json
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from reports.page.panel_crops import GAP, HEADING


def write_panel(file: Path, colour: tuple[int, int, int]) -> None:
    """Two rows of 128 px: the restored cells have this colour, the originals are blue."""
    side, step = 128, 128 + GAP
    sheet = Image.new("RGB", (4 * step - GAP, HEADING + 2 * step - GAP), "white")
    for row in range(2):
        for column, own in enumerate([(90, 90, 90), colour, (20, 20, 200), (20, 20, 200)]):
            cell = np.full((side, side, 3), own, np.uint8)
            sheet.paste(Image.fromarray(cell), (column * step, HEADING + row * step))
    info = PngInfo()
    info.add_text("regions", json.dumps([(30, 40, 80, 90)] * 2))
    sheet.save(file, pnginfo=info)
