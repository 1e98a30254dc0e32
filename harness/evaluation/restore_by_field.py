"""Restore pictures of any size with a generator that moves pixels.

The displacement is computed at the width that the generator was trained at, and scaled up. The
picture itself is moved at its own size and bit depth. Displacements below 0.05 % of the width are
ignored, those up to twice as long are reduced, and pixels that do not move keep every bit.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import Tensor

from harness.data.files.photograph import Photograph, Values
from harness.data.files.picture_reading import Picture
from harness.data.pairs.sizing import resized, to_tensor
from harness.evaluation.padding import padded
from harness.training.batches import to_signed
from harness.training.networks import WarpUnet, restoring
from harness.training.warping import sample, suppress_short

# Shorter displacements are ignored: a share of the width, 3 pixels of 6,000. Outside of retouched
# regions it leaves all pixels untouched on the built-in pairs, and 78 to 96 % on those of a real
# tool, where a fifth of it would leave 33 to 72 %; inside, endpoint errors grow by 1 %.
LEAST_SHIFT = 0.0005
# Smaller corrections are ignored, of values from -1 to 1: half a grey level.
LEAST_PAINTED = 1 / 255
# Sigma in pixels by which a displacement is smoothed before it is scaled up, since steps between
# its pixels would show as waves. Scores rise by .01 to .02 at 512 px.
BLUR = 1.0
# Pixels that are moved at once: bounds memory, whatever the size of the picture.
BAND_PIXELS = 2**20
CUBIC_REACH = 2  # pixels to each side of a place that bicubic sampling reads
LUMA = torch.tensor([0.299, 0.587, 0.114])


def find_maps(generator: WarpUnet, picture: Picture, multiple: int, device: torch.device) -> Tensor:
    """The generator's maps of a picture `[h, w, 3]`, at its training width: `[1, 5, h, w]`.

    The first two are the displacement in pixels of that size, the others the correction, -1 to 1;
    both are exactly 0 where the generator changes nothing.
    """
    height, width = picture.shape[:2]
    size = int(generator.field_size)
    small = resized(picture, (size, max(1, round(height * size / width))))

    def predict(part: Tensor) -> Tensor:
        with restoring(generator):
            return torch.cat(generator.predict(part.to(device)), 1).cpu()

    maps = padded(to_signed(to_tensor(small))[None], multiple, predict)
    field, painted = maps[:, :2], maps[:, 2:]
    if width > size:
        smooth = gaussian_filter(field.numpy(), (0, 0, BLUR, BLUR), mode="nearest")
        field = torch.from_numpy(smooth)
    field = suppress_short(field, LEAST_SHIFT * size)
    return torch.cat([field, suppress_short(painted, LEAST_PAINTED)], 1)


def move_pixels(
    photograph: Photograph, maps: Tensor, white: int
) -> tuple[Values, NDArray[np.float32]]:
    """Apply `maps` of any size to a photograph. Colours and alpha move together.

    Args:
        white: the maximum value of a pixel.

    Returns:
        The values `[h, w, channels]`, unchanged bit for bit where the maps are 0, and the
        displacement `[h, w, 2]` (x first, pixels): result(p) = photograph(p + displacement(p)).
    """
    height, width = photograph.values.shape[:2]
    moved = photograph.values.copy()
    displacement = np.zeros((height, width, 2), np.float32)
    rows, columns = touched(maps, height, width)
    across = max(1, BAND_PIXELS // max(1, columns.stop - columns.start))
    for top in range(rows.start, rows.stop, across):
        band = slice(top, min(top + across, rows.stop)), columns
        here = maps_at(maps, *band, height, width)
        changed = here.ne(0).any(0)
        if changed.any():
            mask = changed.numpy()
            displacement[band][mask] = here[:2, changed].T.numpy()
            moved[band][mask] = values_at(photograph, *band, here, changed, white)
    return moved, displacement


def touched(maps: Tensor, height: int, width: int) -> tuple[slice, slice]:
    """The rows and columns of a picture of that size within which `maps` change anything."""
    changed = maps[0].ne(0).any(0)
    found = []
    for axis, side in ((1, height), (0, width)):
        places = changed.any(axis).nonzero()
        if not len(places):
            return slice(0, 0), slice(0, 0)
        share = side / changed.shape[1 - axis]
        first = int((int(places[0]) - CUBIC_REACH) * share)
        last = int((int(places[-1]) + 1 + CUBIC_REACH) * share) + 1
        found.append(slice(max(0, first), min(side, last)))
    return found[0], found[1]


def maps_at(maps: Tensor, rows: slice, columns: slice, height: int, width: int) -> Tensor:
    """Sample maps of any size at some pixels of a picture of `height` x `width`, in its units."""
    across, down = width / maps.shape[3], height / maps.shape[2]
    y, x = torch.meshgrid(
        (torch.arange(rows.start, rows.stop) + 0.5) / down - 0.5,
        (torch.arange(columns.start, columns.stop) + 0.5) / across - 0.5,
        indexing="ij",
    )
    found = sample(maps, x[None], y[None])[0]
    found[0] *= across
    found[1] *= down
    return found


def values_at(
    photograph: Photograph,
    rows: slice,
    columns: slice,
    maps: Tensor,
    changed: Tensor,
    white: int,
) -> Values:
    """The new values `[k, channels]` of the `changed` pixels of a part of a photograph."""
    height, width, _ = photograph.values.shape
    y, x = changed.nonzero(as_tuple=True)
    x = x + columns.start + maps[0, changed]
    y = y + rows.start + maps[1, changed]
    left, right = window(x, width)
    top, bottom = window(y, height)
    part = photograph.values[top:bottom, left:right]
    pixels = torch.from_numpy(part.transpose(2, 0, 1).astype(np.float32))
    colours = photograph.colours
    if photograph.mode.endswith("A"):
        # Premultiply by alpha: the colours of transparent pixels must not bleed in.
        pixels[:colours] *= pixels[colours:] / white
    found = sample(pixels[None], (x - left)[None, None], (y - top)[None, None])[0, :, 0]
    if photograph.mode.endswith("A"):
        found[:colours] *= white / found[colours:].clamp(min=0.5)
    found[:colours] += correction(maps[2:, changed], photograph.mode) * (white / 2)
    return found.round().clamp(0, white).T.numpy().astype(photograph.values.dtype)


def window(places: Tensor, side: int) -> tuple[int, int]:
    """The range of pixels of a side that sampling at `places` reads."""
    first = min(max(0, int(places.min()) - CUBIC_REACH), side - 1)
    return first, min(side, max(first, int(places.max()) + CUBIC_REACH) + 1)


def correction(painted: Tensor, mode: str) -> Tensor:
    """A correction of red, green and blue `[3, k]` as one of the colours of `mode`."""
    match mode:
        case "L" | "LA":
            return (LUMA @ painted)[None]
        case "CMYK":  # less ink where there is to be more light
            return torch.cat([-painted, torch.zeros(1, painted.shape[1])])
        case _:
            return painted
