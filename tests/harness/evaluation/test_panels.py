"""A panel shows each picture in its own column, and the region that is scored."""

import io

import numpy as np
import torch
from PIL import Image
from scipy.ndimage import binary_dilation, binary_erosion

from harness.evaluation.panels import panel_png
from objectives.score import Reference
from reports.pictures import cells


def drawn(seed: int) -> torch.Tensor:
    pictures = torch.randint(256, (3, 3, 300, 300), generator=torch.Generator().manual_seed(seed))
    return pictures.float() / 255


def test_retouched_restored_original_and_region(tmp_path) -> None:
    masks = torch.zeros(3, 1, 300, 300, dtype=torch.bool)
    masks[..., 100:200, 50:150] = True
    originals, retouched, restored = map(drawn, range(3))
    reference = Reference(("a", "b", "c"), originals, masks, retouched)
    file = tmp_path / "panel.png"
    file.write_bytes(panel_png(reference, restored, rows=2))
    found = cells(file)
    assert len(found) == 2
    disc = np.hypot(*np.mgrid[-6:7, -6:7]) <= 6  # 2 % of 300 pixels
    for row, places in enumerate(found):
        wanted = [
            (kind[row] * 255).round().byte().permute(1, 2, 0).numpy()
            for kind in (retouched, restored, originals)
        ]
        for place, picture in zip(places, wanted, strict=False):
            assert np.array_equal(np.asarray(place), picture)
        region = binary_dilation(masks[row, 0].numpy(), disc)
        rim = region & ~binary_erosion(region, np.ones((3, 3)))
        outlined = np.asarray(places[3])
        assert (outlined[rim] == (255, 64, 64)).all()
        assert np.array_equal(outlined[~rim], wanted[2][~rim])


def test_small_pictures_are_enlarged_and_without_inputs_the_original_stands_twice() -> None:
    masks = torch.ones(1, 1, 128, 128, dtype=torch.bool)
    originals = drawn(0)[:1, :, :128, :128]
    reference = Reference(("a",), originals, masks, None)
    with Image.open(io.BytesIO(panel_png(reference, originals))) as panel:
        assert panel.size == (4 * 256 + 3 * 2, 16 + 256)
        first = np.asarray(panel)[16:, :256]
    wanted = (originals[0] * 255).round().byte().permute(1, 2, 0).numpy()
    assert np.array_equal(first, wanted.repeat(2, 0).repeat(2, 1))
