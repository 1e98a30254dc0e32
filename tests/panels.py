"""Panels as trials leave them, of plain colours."""

from pathlib import Path

import numpy as np
from PIL import Image

from reports.page.panel_crops import GAP, HEADING, OUTLINE


def write_panel(file: Path, colour: tuple[int, int, int]) -> None:
    """Two rows of 128 px: the restored cells have this colour, the originals are blue."""
    side, step = 128, 128 + GAP
    sheet = Image.new("RGB", (4 * step - GAP, HEADING + 2 * step - GAP), "white")
    for row in range(2):
        for column, own in enumerate([(90, 90, 90), colour, (20, 20, 200), (20, 20, 200)]):
            cell = np.full((side, side, 3), own, np.uint8)
            if column == 3:
                cell[40:90, 30:80] = OUTLINE
            sheet.paste(Image.fromarray(cell), (column * step, HEADING + row * step))
    sheet.save(file)
