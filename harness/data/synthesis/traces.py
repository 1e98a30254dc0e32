"""What a tool leaves on a picture besides moving pixels: softness."""

import numpy as np
from scipy.ndimage import gaussian_filter

from harness.data.synthesis.liquify import Field, Picture

# Of the side: what moves by this or more is softened in full, less by its share.
SOFT_FROM = 0.005


def softened(picture: Picture, field: Field, sigma: float) -> Picture:
    """The picture `[h, w, 3]` blurred by a Gaussian of `sigma` pixels where `field` moves it.

    Pixels that the field does not move keep their bytes.
    """
    length = np.hypot(*field) / (SOFT_FROM * min(picture.shape[:2]))
    share = np.minimum(length, 1.0)[:, :, None]
    blurred = gaussian_filter(picture.astype(np.float64), (sigma, sigma, 0))
    return np.asarray(np.rint(picture + share * (blurred - picture)), np.uint8)
