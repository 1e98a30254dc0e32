"""A panel shows each picture in its own column, and the region that is scored."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import binary_dilation, binary_erosion

from harness.evaluation.panels import crop_png, most_changed_square, panel_png
from objectives.score import Reference
from reports.page.panel_crops import GAP, HEADING, rows_of


def drawn(seed: int, width: int = 300) -> torch.Tensor:
    pictures = torch.randint(256, (3, 3, 300, width), generator=torch.Generator().manual_seed(seed))
    return pictures.float() / 255


def test_retouched_restored_original_and_region(tmp_path) -> None:
    masks = torch.zeros(3, 1, 300, 300, dtype=torch.bool)
    masks[..., 100:200, 50:150] = True
    originals, retouched, restored = map(drawn, range(3))
    reference = Reference(("a", "b", "c"), originals, masks, retouched)
    file = tmp_path / "panel.png"
    file.write_bytes(panel_png(reference, restored, rows=2))
    found = rows_of(file)
    sheet = np.asarray(Image.open(file))
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
        assert places.region == (44, 94, 156, 206)
        rim = region & ~binary_erosion(region, np.ones((3, 3)))
        outlined = sheet[HEADING + row * (300 + GAP) :, 3 * (300 + GAP) :][:300]
        assert (outlined[rim] == (255, 64, 64)).all()
        assert np.array_equal(outlined[~rim], wanted[2][~rim])


def test_small_pictures_are_enlarged_and_without_inputs_the_original_stands_twice(
    tmp_path: Path,
) -> None:
    masks = torch.zeros(1, 1, 128, 128, dtype=torch.bool)
    masks[..., 40:60, 70:100] = True
    originals = drawn(0)[:1, :, :128, :128]
    reference = Reference(("a",), originals, masks, None)
    file = tmp_path / "panel.png"
    file.write_bytes(panel_png(reference, originals))
    with Image.open(file, formats=("PNG",)) as panel:
        assert panel.size == (4 * 256 + 3 * 2, 16 + 256)
        first = np.asarray(panel)[16:, :256]
    # Dilated by 3 pixels, 2 % of 128, and enlarged with the pictures.
    assert rows_of(file)[0].region == (2 * 67, 2 * 37, 2 * 103, 2 * 63)
    wanted = (originals[0] * 255).round().byte().permute(1, 2, 0).numpy()
    assert np.array_equal(first, wanted.repeat(2, 0).repeat(2, 1))


def reference_of(masks: torch.Tensor, inputs: torch.Tensor | None = None) -> Reference:
    originals = torch.zeros(len(masks), 3, *masks.shape[-2:])
    return Reference(tuple("abc"[: len(masks)]), originals, masks, inputs)


def cropped(reference: Reference, restored: torch.Tensor) -> np.ndarray:
    content = crop_png(most_changed_square(reference), restored)
    with Image.open(io.BytesIO(content), formats=("PNG",)) as crop:
        return np.asarray(crop)


def test_a_crop_is_the_part_of_the_first_scored_region_that_was_changed_most() -> None:
    masks = torch.zeros(3, 1, 300, 360, dtype=torch.bool)
    masks[1, :, 20:280, 100:300] = True  # nothing of the first picture is scored
    inputs = torch.zeros(3, 3, 300, 360)
    inputs[1, :, 150:250, 160:260] = 0.5
    inputs[1, :, :, :80] = 1.0  # changed more, but not in the scored region
    reference, restored = reference_of(masks, inputs), drawn(3, 360)
    number, top, left, side = most_changed_square(reference)
    assert (number, side) == (1, 112)  # three eighths of the picture
    assert top <= 150 < 250 <= top + side
    assert left <= 160 < 260 <= left + side
    wanted = (restored[1, :, top : top + side, left : left + side] * 255).round().byte()
    zoomed = wanted.permute(1, 2, 0).numpy().repeat(5, 0).repeat(5, 1)
    assert np.array_equal(cropped(reference, restored), zoomed)


@pytest.mark.parametrize("region", [(slice(0, 20), slice(180, 200)), (slice(0), slice(0))])
def test_a_crop_stays_within_the_picture(region: tuple[slice, slice]) -> None:
    """Of a corner, and where nothing is scored."""
    masks = torch.zeros(1, 1, 128, 200, dtype=torch.bool)
    masks[0, 0, region[0], region[1]] = True
    picture = torch.rand(1, 3, 128, 200, generator=torch.Generator().manual_seed(0))
    assert cropped(reference_of(masks), picture).shape == (11 * 48, 11 * 48, 3)
