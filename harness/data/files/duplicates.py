"""Group pairs that show the same picture, so that no picture is both in train and in val."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from PIL import Image
from scipy.cluster.hierarchy import DisjointSet

from harness.data.files.overlapping_crops import candidates, landmarks, show_one_picture
from harness.data.files.pair_folders import PairFiles
from harness.data.files.pair_reading import read_halves
from harness.data.files.picture_reading import Picture
from harness.errors import UserInputError

HASH_SIDE = 8
MOST_DIFFERENT_BITS = 5
# If the cells of a thumbnail differ by no more than this, the differences may be noise only.
FLAT = 2


@dataclass(frozen=True)
class Signature:
    """Identifies the picture of a pair: difference hashes of A and B, and B's landmarks."""

    hashes: tuple[int, ...]
    landmarks: bytes


def signature(a: Picture, b: Picture) -> Signature:
    """The signature of a pair of pictures `[h, w, 3]`, or of their lumas `[h, w]`."""
    hashes = (difference_hash(picture) for picture in (a, b))
    return Signature(tuple(known for known in hashes if known is not None), landmarks(b))


def difference_hash(picture: Picture) -> int | None:
    """64 bits: whether each cell of an 8 x 8 thumbnail is brighter than its left neighbour. None
    for a picture of one tone, which would resemble every other.

    Robust to scaling, recompression and small local warps, but not to cropping.
    """
    thumbnail = Image.fromarray(picture).convert("L").resize((HASH_SIDE + 1, HASH_SIDE))
    cells = np.asarray(thumbnail, np.int16)
    if np.ptp(cells) <= FLAT:
        return None
    bits = (cells[:, 1:] > cells[:, :-1]).ravel()
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def close_hashes(hashes: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Pairs of indices of hashes that differ in few bits; equal ones are paired with the first.

    Two hashes that differ in at most k bits are equal in at least one of k + 1 bands, so only
    hashes that share a band are compared.
    """
    first: dict[int, int] = {}
    for index, value in enumerate(hashes):
        if first.setdefault(value, index) != index:
            yield first[value], index
    bands = MOST_DIFFERENT_BITS + 1
    edges = [64 * band // bands for band in range(bands + 1)]
    for low, high in pairwise(edges):
        sharing: dict[int, list[int]] = defaultdict(list)
        for value, index in first.items():
            like = sharing[value >> low & (1 << high - low) - 1]
            for other in like:
                if (value ^ hashes[other]).bit_count() <= MOST_DIFFERENT_BITS:
                    yield other, index
            like.append(index)


def same_picture_groups(signatures: Sequence[Signature]) -> list[list[int]]:
    """Groups of indices of pairs that show one picture, whole or cropped, directly or through
    others; each group and the list of groups in rising order."""
    groups = DisjointSet(range(len(signatures)))
    owners = [index for index, known in enumerate(signatures) for _ in known.hashes]
    for one, other in close_hashes([value for known in signatures for value in known.hashes]):
        groups.merge(owners[one], owners[other])
    # Each group found so far is represented by one of its pairs.
    leaders = sorted(min(group) for group in groups.subsets())
    pictures = [signatures[leader].landmarks for leader in leaders]
    for one, other, matches in candidates(pictures):
        apart = not groups.connected(leaders[one], leaders[other])
        if apart and show_one_picture(pictures[one], pictures[other], matches):
            groups.merge(leaders[one], leaders[other])
    return sorted(sorted(group) for group in groups.subsets())


def read_signature(files: PairFiles) -> Signature | None:
    """A pair's signature; None if it cannot be read, which is reported later."""
    try:
        return signature(*read_halves(files))
    except UserInputError:
        return None
