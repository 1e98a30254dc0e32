"""The warped region of a picture, its dilation, and the ring along its edge.

All lengths are shares of the picture's short side, so that results do not depend on its resolution.
Masks are bool `[..., 1, h, w]`.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

DILATION = 0.02
# Share of the area; a smaller warped region is not scored.
SMALLEST_CORE = 0.0005
FIELD_THRESHOLD = 0.001
DIFFERENCE_THRESHOLD = 8 / 255

FLOW_SIDE = 256
FLOW_THRESHOLD = 0.004
FLOW_CLOSING = 0.01
FLOW_WINDOW = 0.03
SMALLEST_PART = 0.0005


def region_from_field(field: Tensor, threshold: float = FIELD_THRESHOLD) -> Tensor:
    """Where the displacement is longer than `threshold` of the short side.

    Args:
        field: `[..., 2, h, w]`, in pixels.

    Returns:
        bool `[..., 1, h, w]`.

    Raises:
        ValueError: the field has another shape.
    """
    if field.shape[-3] != 2:
        raise ValueError(f"A displacement field is [..., 2, h, w], not {list(field.shape)}.")
    side = min(field.shape[-2:])
    length = field.double().square().sum(-3, keepdim=True).sqrt()
    return length > threshold * side


def region_by_difference(
    retouched: Tensor, original: Tensor, threshold: float = DIFFERENCE_THRESHOLD
) -> Tensor:
    """Where two pictures differ by more than `threshold` in some channel: fast, but imprecise.

    Any change counts as a warp, also a smoothed cheek or JPEG noise, unlike in `region_from_pair`.

    Args:
        retouched, original: `[..., 3, h, w]`, floats in [0, 1] or bytes.

    Returns:
        bool `[..., 1, h, w]`.
    """
    difference = (as_unit(retouched) - as_unit(original)).abs().amax(-3, keepdim=True)
    return difference > threshold


def region_from_pair(retouched: Tensor, original: Tensor, side: int = FLOW_SIDE) -> Tensor:
    """Where things moved between two pictures, by TV-L1 optical flow (Zach et al. 2007).

    The flow from original to retouched is computed at a short side of `side` pixels, on luma with
    normalised local mean and contrast, so that changes of tone, sharpness and compression are not
    taken for movement. Movement above 0.4% of the side counts; gaps under 1% are closed, holes are
    filled, parts under 0.05% of the area are dropped.

    Args:
        retouched, original: `[3, h, w]` or `[n, 3, h, w]`, floats in [0, 1] or bytes.

    Returns:
        bool `[1, h, w]` or `[n, 1, h, w]`, on the device of `retouched`, before dilation.

    Raises:
        ValueError: the pictures differ in size.
    """
    if retouched.shape != original.shape:
        raise ValueError(
            f"retouched and original must be of one size, not {list(retouched.shape)} and "
            f"{list(original.shape)}."
        )
    if retouched.ndim == 4:
        pairs = zip(retouched, original, strict=True)
        return torch.stack([region_from_pair(a, b, side) for a, b in pairs])
    height, width = retouched.shape[-2:]
    shape = small_shape(height, width, side)
    moved, still = (normalised_luma(picture, shape) for picture in (retouched, original))
    region = moved_region(moved, still)
    small = torch.from_numpy(region).to(retouched.device, torch.float32)[None, None]
    large = F.interpolate(small, (height, width), mode="bilinear", align_corners=False)
    return large[0] > 0.5


def small_shape(height: int, width: int, side: int) -> tuple[int, int]:
    """The shape with a short side of `side`; never larger than the picture."""
    scale = min(1.0, side / min(height, width))
    return round(height * scale), round(width * scale)


def normalised_luma(picture: Tensor, shape: tuple[int, int]) -> NDArray[np.float32]:
    """The picture's luma at `shape`, minus its local mean and divided by its local contrast."""
    unit = as_unit(picture).cpu()[None]
    colour = F.interpolate(unit, shape, mode="bilinear", align_corners=False, antialias=True)[0]
    luma = (0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]).numpy()
    sigma = FLOW_WINDOW * min(shape)
    centred = luma - ndimage.gaussian_filter(luma, sigma)
    deviation = np.sqrt(ndimage.gaussian_filter(centred * centred, sigma))
    return np.asarray(centred / (deviation + 0.03) * 0.2, np.float32)


def moved_region(moved: NDArray[np.float32], still: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Where `moved` is displaced relative to `still`, without gaps, holes or small parts."""
    from skimage.registration import optical_flow_tvl1

    side = min(still.shape)
    flow = optical_flow_tvl1(still, moved)  # type: ignore[no-untyped-call]
    region = np.hypot(flow[0], flow[1]) > FLOW_THRESHOLD * side
    region = ndimage.binary_fill_holes(close_gaps(region, max(1, round(FLOW_CLOSING * side))))
    parts, count = ndimage.label(region)
    areas = np.bincount(parts.ravel(), minlength=count + 1)
    large = areas >= SMALLEST_PART * region.size
    large[0] = False
    return np.asarray(large[parts])


def close_gaps(region: NDArray[np.bool_], radius: int) -> NDArray[np.bool_]:
    """The region with gaps under `radius` pixels closed; unchanged at the picture's border."""
    steps = np.arange(-radius, radius + 1)
    disc = steps[:, None] ** 2 + steps**2 <= radius**2
    padded = np.pad(region, radius)
    return np.asarray(ndimage.binary_closing(padded, disc)[radius:-radius, radius:-radius])


def dilate(masks: Tensor, share: float = DILATION) -> Tensor:
    """`masks` dilated by a disc with a radius of `share` of the short side, at least one pixel.

    Args:
        masks: bool `[1, h, w]` or `[n, 1, h, w]`.
    """
    height, width = masks.shape[-2:]
    radius = max(1, round(share * min(height, width)))
    batch = masks.reshape(-1, height, width)
    # Cumulative counts along rows: a horizontal bar hits the mask if the count grows over it.
    count = F.pad(batch, (radius + 1, radius)).cumsum(2, dtype=torch.int32)
    dilated = batch.clone()
    # A disc is a stack of horizontal bars, one per row, symmetric above and below.
    for offset in range(min(radius, height - 1) + 1):
        half = int((radius**2 - offset**2) ** 0.5)
        left, right = radius - half, radius + 1 + half
        bar = count[..., right : right + width] > count[..., left : left + width]
        dilated[:, offset:] |= bar[:, : height - offset]
        dilated[:, : height - offset] |= bar[:, offset:]
    return dilated.reshape(masks.shape)


def erode(masks: Tensor, share: float = DILATION) -> Tensor:
    """`masks` eroded, the opposite of `dilate`; the picture's border does not count as an edge."""
    return ~dilate(~masks, share)


def ring(masks: Tensor, share: float = DILATION) -> Tensor:
    """The ring along the edge of `masks`: up to `share` of the short side, on both sides."""
    return dilate(masks, share) & ~erode(masks, share)


def as_unit(picture: Tensor) -> Tensor:
    """Convert bytes, or floats in [0, 1], to float32 in [0, 1]."""
    return picture.float() / 255 if picture.dtype == torch.uint8 else picture.float()
