"""Restore pictures of any size with a generator that moves pixels.

The displacement is computed at the width at which the generator was trained, and scaled up. The
picture itself is moved at its own size and bit depth. Displacements below 0.05 % of the width are
ignored, those up to twice as long are reduced, and pixels that do not move keep their exact values.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import Tensor

from harness.data.files.photograph import Photograph, Values
from harness.data.files.picture_reading import Picture
from harness.data.pairs.sizing import resized, to_tensor
from harness.evaluation.padding import run_padded
from harness.training.batches import to_signed
from harness.training.networks import WarpUnet, restoring
from harness.training.warping import sample, suppress_short

# Shorter displacements are ignored: a share of the width, 3 pixels of 6,000. Outside retouched
# regions, this leaves all pixels of the built-in pairs unchanged, and 78 to 96 % of the pixels of a
# real tool's pairs (a fifth of it: 33 to 72 %); inside, endpoint errors grow by 1 %.
MIN_DISPLACEMENT = 0.0005
# Smaller corrections of values in [-1, 1] are ignored: half a grey level.
MIN_CORRECTION = 1 / 255
# Sigma in pixels of the Gaussian that smooths a displacement before it is scaled up: steps between
# its pixels would show as waves. Scores rise by .01 to .02 at 512 px.
FIELD_SIGMA = 1.0
# Pixels that are moved together, which bounds memory whatever the size of the picture.
BAND_PIXELS = 2**20
CUBIC_REACH = 2  # pixels on each side of a position that bicubic sampling reads
LUMA = torch.tensor([0.299, 0.587, 0.114])


def find_maps(generator: WarpUnet, picture: Picture, multiple: int, device: torch.device) -> Tensor:
    """The generator's maps for a picture `[h, w, 3]`, at its training width: `[1, 5, h', w']`.

    The first two are the displacement in pixels at that size (x first), the others the correction
    of values in [-1, 1]; both are exactly 0 where the generator changes nothing.
    """
    height, width = picture.shape[:2]
    size = int(generator.field_size)
    small = resized(picture, (size, max(1, round(height * size / width))))

    def predict(part: Tensor) -> Tensor:
        with restoring(generator):
            return torch.cat(generator.predict(part.to(device)), 1).cpu()

    maps = run_padded(to_signed(to_tensor(small))[None], multiple, predict)
    field, correction = maps[:, :2], maps[:, 2:]
    if width > size:
        smooth = gaussian_filter(field.numpy(), (0, 0, FIELD_SIGMA, FIELD_SIGMA), mode="nearest")
        field = torch.from_numpy(smooth)
    field = suppress_short(field, MIN_DISPLACEMENT * size)
    return torch.cat([field, suppress_short(correction, MIN_CORRECTION)], 1)


def move_pixels(
    photograph: Photograph, maps: Tensor, white: int
) -> tuple[Values, NDArray[np.float32]]:
    """Apply `maps` of any size to a photograph. Colours and alpha move together.

    Args:
        white: the maximum value of a pixel.

    Returns:
        The values `[h, w, channels]`, bit-identical where the maps are 0, and the displacement
        `[h, w, 2]` in pixels, x first: result(p) = photograph(p + displacement(p)).
    """
    height, width = photograph.values.shape[:2]
    moved = photograph.values.copy()
    displacement = np.zeros((height, width, 2), np.float32)
    rows, columns = changed_bounds(maps, height, width)
    band_rows = max(1, BAND_PIXELS // max(1, columns.stop - columns.start))
    for top in range(rows.start, rows.stop, band_rows):
        band = slice(top, min(top + band_rows, rows.stop)), columns
        local_maps = maps_at(maps, *band, height, width)
        changed = local_maps.ne(0).any(0)
        if changed.any():
            mask = changed.numpy()
            displacement[band][mask] = local_maps[:2, changed].T.numpy()
            moved[band][mask] = values_at(photograph, *band, local_maps, changed, white)
    return moved, displacement


def changed_bounds(maps: Tensor, height: int, width: int) -> tuple[slice, slice]:
    """The bounds (rows, columns) of what `maps` change in a picture of this size."""
    changed = maps[0].ne(0).any(0)
    bounds = []
    for axis, side in ((1, height), (0, width)):
        places = changed.any(axis).nonzero()
        if not len(places):
            return slice(0, 0), slice(0, 0)
        scale = side / changed.shape[1 - axis]
        first = int((int(places[0]) - CUBIC_REACH) * scale)
        last = int((int(places[-1]) + 1 + CUBIC_REACH) * scale) + 1
        bounds.append(slice(max(0, first), min(side, last)))
    return bounds[0], bounds[1]


def maps_at(maps: Tensor, rows: slice, columns: slice, height: int, width: int) -> Tensor:
    """Sample maps on a rectangle of a picture of `height` x `width`.

    Displacements are converted to the picture's pixels.
    """
    scale_x, scale_y = width / maps.shape[3], height / maps.shape[2]
    y, x = torch.meshgrid(
        (torch.arange(rows.start, rows.stop) + 0.5) / scale_y - 0.5,
        (torch.arange(columns.start, columns.stop) + 0.5) / scale_x - 0.5,
        indexing="ij",
    )
    sampled = sample(maps, x[None], y[None])[0]
    sampled[0] *= scale_x
    sampled[1] *= scale_y
    return sampled


def values_at(
    photograph: Photograph,
    rows: slice,
    columns: slice,
    maps: Tensor,
    changed: Tensor,
    white: int,
) -> Values:
    """The new values `[k, channels]` of the `changed` pixels in a rectangle of a photograph."""
    height, width, _ = photograph.values.shape
    y, x = changed.nonzero(as_tuple=True)
    x = x + columns.start + maps[0, changed]
    y = y + rows.start + maps[1, changed]
    left, right = sampled_span(x, width)
    top, bottom = sampled_span(y, height)
    part = photograph.values[top:bottom, left:right]
    pixels = torch.from_numpy(part.transpose(2, 0, 1).astype(np.float32))
    colours = photograph.colours
    if photograph.mode.endswith("A"):
        # Premultiply by alpha, so that the colours of transparent pixels do not bleed in.
        pixels[:colours] *= pixels[colours:] / white
    values = sample(pixels[None], (x - left)[None, None], (y - top)[None, None])[0, :, 0]
    if photograph.mode.endswith("A"):
        values[:colours] *= white / values[colours:].clamp(min=0.5)
    values[:colours] += correction_in_mode(maps[2:, changed], photograph.mode) * (white / 2)
    return values.round().clamp(0, white).T.numpy().astype(photograph.values.dtype)


def sampled_span(places: Tensor, side: int) -> tuple[int, int]:
    """The range of pixels, along one side, that sampling at `places` reads."""
    first = min(max(0, int(places.min()) - CUBIC_REACH), side - 1)
    return first, min(side, max(first, int(places.max()) + CUBIC_REACH) + 1)


def correction_in_mode(correction: Tensor, mode: str) -> Tensor:
    """Convert a correction of red, green and blue `[3, k]` to the colour channels of `mode`."""
    match mode:
        case "L" | "LA":
            return (LUMA @ correction)[None]
        case "CMYK":  # more light is less ink
            return torch.cat([-correction, torch.zeros(1, correction.shape[1])])
        case _:
            return correction
