"""Find crops of the same photograph, by landmarks in the same arrangement.

A crop shows the same landmarks with one common shift and scale, whatever its size, tone and
compression. A landmark is a blob: a maximum of the Hessian's determinant over position and scale
(Lindeberg 1998). Its code consists of the signs of the differences between the cells around it.
(ORB and RANSAC of scikit-image found fewer crops of `benchmarks.data`, and took several times as
long.)
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.fft import dctn, idctn
from scipy.ndimage import map_coordinates

from harness.data.files.picture_reading import Picture

# Landmarks are found in a picture scaled to a short side of SIDE pixels, and a long one of at most
# LONGEST, at these standard deviations of a Gaussian, in pixels.
SIDE = 256
LONGEST = 1024
SCALES = 2.0 * 2 ** (np.arange(10) / 3)
# The minimum of `blobness`, and the maximum number of landmarks.
FAINTEST = 4.0
MOST = 160
# The grid of cells around a landmark: cells per side, and the width of a cell in scales.
CELLS = 6
CELL = 1.6
MOST_DIFFERENT_BITS = 8
# Number of sort orders, and of the next codes with which each is compared, which bound the work.
ORDERS = 8
FOLLOWING = 16
# Minimum number of agreeing landmarks; different photographs had at most 5 when this was chosen.
FEWEST_ALIKE = 8
NEAR = 4.0  # pixels between a landmark and the place where a hypothesis puts it
# A hypothesis for scale and shift comes from two of the 40 best matches that are at least 20 pixels
# apart. Its scale may differ from that of the landmarks by this factor.
GUESSED_FROM = 40
CLOSEST_GUESS = 20.0
LIKE_SCALE = 1.43

# Position in pixels at a short side of 256, index of the scale, code.
LANDMARK = np.dtype([("x", "u2"), ("y", "u2"), ("level", "u1"), ("code", "u8")])


def landmarks(picture: Picture) -> bytes:
    """The strongest landmarks of a picture (or its luma), packed as `LANDMARK`; at most 160."""
    grey = Image.fromarray(picture).convert("L")
    ratio = min(SIDE / min(grey.size), LONGEST / max(grey.size))
    width, height = (max(2, round(side * ratio)) for side in grey.size)
    luma = np.asarray(grey.resize((width, height), Image.Resampling.BICUBIC), np.float32)
    levels = blurred(luma)
    blobs = np.stack([blobness(g, scale) for g, scale in zip(levels, SCALES, strict=True)])
    peaks = (blobs == largest_near(blobs)) & (blobs > FAINTEST)
    peaks[[0, -1]] = False
    level, y, x = np.nonzero(peaks)
    margin = CELLS * CELL * SCALES[level] / 2
    whole = (np.minimum(x, width - 1 - x) > margin) & (np.minimum(y, height - 1 - y) > margin)
    level, y, x = level[whole], y[whole], x[whole]
    strongest = np.argsort(-blobs[level, y, x], kind="stable")[:MOST]
    level, y, x = level[strongest], y[strongest], x[strongest]
    found = np.empty(len(level), LANDMARK)
    found["x"], found["y"], found["level"] = x, y, level
    found["code"] = codes(levels, level, y, x)
    return found.tobytes()


def blurred(luma: NDArray[np.float32]) -> NDArray[np.float32]:
    """The picture at every scale, Gaussian, mirrored at its border: `[scales, h, w]`."""
    # With a cosine transform, which implies mirrored borders, since there a Gaussian is one factor
    # per frequency.
    rows, columns = (np.square(np.pi * np.arange(n) / n) for n in luma.shape)
    squared = (rows[:, None] + columns) / -2
    factors = np.exp(np.square(SCALES)[:, None, None] * squared).astype(np.float32)
    return np.asarray(idctn(dctn(luma) * factors, axes=(1, 2)), np.float32)


def largest_near(blobs: NDArray[np.float32]) -> NDArray[np.float32]:
    """The maximum of each value's neighbourhood: one scale and two pixels in each direction."""
    largest = blobs
    for axis, reach in enumerate((1, 2, 2)):
        one = largest.copy()
        for step in range(1, reach + 1):
            fore, aft = (np.moveaxis(part, axis, 0) for part in (one, largest))
            np.maximum(fore[step:], aft[:-step], out=fore[step:])
            np.maximum(fore[:-step], aft[step:], out=fore[:-step])
        largest = one
    return largest


def blobness(level: NDArray[np.float32], scale: float) -> NDArray[np.float32]:
    """The scale-normalised determinant of the Hessian: high at blobs, low at edges."""
    dy, dx = np.gradient(level)
    dyy, dyx = np.gradient(dy)
    dxx = np.gradient(dx, axis=1)
    return np.asarray(scale**4 * (dxx * dyy - dyx * dyx), np.float32)


def codes(
    levels: NDArray[np.float32], level: NDArray[np.intp], y: NDArray[np.intp], x: NDArray[np.intp]
) -> NDArray[np.uint64]:
    """One code per landmark: whether each cell is brighter than the one on its left, and above."""
    offsets = (np.arange(CELLS) - (CELLS - 1) / 2) * CELL
    scale = SCALES[level][:, None, None]
    depth, rows, columns = np.broadcast_arrays(
        level[:, None, None],
        y[:, None, None] + scale * offsets[:, None],
        x[:, None, None] + scale * offsets,
    )
    cells = map_coordinates(levels, [depth, rows, columns], order=1)
    bits = np.zeros((len(level), 64), np.bool_)
    steps = CELLS * (CELLS - 1)
    bits[:, :steps] = (np.diff(cells, axis=2) > 0).reshape(-1, steps)
    bits[:, steps : 2 * steps] = (np.diff(cells, axis=1) > 0).reshape(-1, steps)
    return np.packbits(bits, axis=1).view(np.uint64).ravel()


def candidates(pictures: Sequence[bytes]) -> Iterator[tuple[int, int, NDArray[np.intp]]]:
    """Pairs of pictures with enough landmarks of similar code, most matches first: the indices of
    both, and the matches `[n, 2]`, indices of a landmark of each.

    Codes are sorted several times, each time rotated by more bits, and compared with the next ones
    in that order: similar codes are neighbours in at least one of the orders.
    """
    each = [np.frombuffer(packed, LANDMARK) for packed in pictures]
    counts = np.array([len(found) for found in each], np.intp)
    if counts.sum() < 2:
        return
    code = np.concatenate(each)["code"]
    owner = np.repeat(np.arange(len(each)), counts)
    starts = np.cumsum(counts) - counts
    known = np.empty(0, np.int64)
    for turn in range(0, 64, 64 // ORDERS):
        rotated = code << np.uint64(turn) | code >> np.uint64((64 - turn) % 64)
        order = np.argsort(rotated, kind="stable")
        found = [known]
        for step in range(1, FOLLOWING + 1):
            one, other = order[:-step], order[step:]
            alike = np.bitwise_count(code[one] ^ code[other]) <= MOST_DIFFERENT_BITS
            alike &= owner[one] != owner[other]
            one, other = one[alike], other[alike]
            found.append(np.minimum(one, other) * len(code) + np.maximum(one, other))
        known = np.unique(np.concatenate(found))
    matches = np.stack(np.divmod(known, len(code)), axis=1)
    between = owner[matches[:, 0]] * len(each) + owner[matches[:, 1]]
    order = np.argsort(between, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(between[order])) + 1)
    for group in sorted(groups, key=len, reverse=True):
        if len(group) < FEWEST_ALIKE:
            return
        one, other = owner[matches[group[0]]]
        yield int(one), int(other), matches[group] - starts[[one, other]]


def show_one_picture(one: bytes, other: bytes, matches: NDArray[np.intp]) -> bool:
    """Whether one scale and shift aligns enough of the matched landmarks."""
    a = np.frombuffer(one, LANDMARK)[matches[:, 0]]
    b = np.frombuffer(other, LANDMARK)[matches[:, 1]]
    closest = np.argsort(np.bitwise_count(a["code"] ^ b["code"]), kind="stable")[: 2 * MOST]
    a, b = a[closest], b[closest]
    here, there = (np.stack([p["x"], p["y"]], axis=1).astype(np.float64) for p in (a, b))
    i, j = np.triu_indices(min(len(a), GUESSED_FROM), 1)
    span, spanned = here[j] - here[i], there[j] - there[i]
    length = np.square(span).sum(axis=1)
    i, j, span, spanned, length = (
        part[length > CLOSEST_GUESS**2] for part in (i, j, span, spanned, length)
    )
    scale = (span * spanned).sum(axis=1) / length
    expected = SCALES[b["level"][i]] / SCALES[a["level"][i]]
    likely = (scale > expected / LIKE_SCALE) & (scale < expected * LIKE_SCALE)
    i, scale = i[likely], scale[likely]
    if not len(i):
        return False
    shift = there[i] - scale[:, None] * here[i]
    off = scale[:, None, None] * here + shift[:, None] - there
    near = np.square(off).sum(axis=2) < np.square(NEAR * np.maximum(1, scale))[:, None]
    agreeing = matches[closest][near[near.sum(axis=1).argmax()]]
    return min(len(np.unique(agreeing[:, side])) for side in (0, 1)) >= FEWEST_ALIKE
