"""Estimate the displacement of a retouching by optical flow between the two pictures."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter
from skimage.registration import optical_flow_tvl1

from harness.data.files.picture_reading import Picture

SIDE = 128


def estimated_displacement(moved: Picture, still: Picture) -> NDArray[np.float32]:
    """A coarse field `[2, 128, 128]` (x first, shares of the side): moved(p) = still(p + field),
    of pictures `[h, w, 3]` or lumas `[h, w]`.

    TV-L1 optical flow between lumas with normalised local contrast, so that a change of tone or
    sharpness is not mistaken for movement. Accurate to about 0.3% of the side.
    """
    rows, columns = optical_flow_tvl1(  # type: ignore[no-untyped-call]
        normalised(moved), normalised(still), num_warp=2, num_iter=3
    )
    return np.stack([columns, rows]).astype(np.float32) / np.float32(SIDE)


def normalised(picture: Picture) -> NDArray[np.float32]:
    """Luma at 128 x 128 with local mean 0 and roughly equal local contrast."""
    small = Image.fromarray(picture).convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
    luma = np.asarray(small, np.float32) / 255
    sigma = 0.03 * SIDE
    centred = luma - gaussian_filter(luma, sigma)
    contrast = np.sqrt(gaussian_filter(centred * centred, sigma))
    return np.asarray(centred / (contrast + 0.03) * 0.2, np.float32)
