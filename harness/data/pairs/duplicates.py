"""Pictures that show the same thing, so that none is both trained on and validated with."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from PIL import Image

from harness.data.files.pair_folders import PairFiles
from harness.data.files.pair_reading import read_halves
from harness.data.files.picture_reading import Picture
from harness.data.pairs.overlapping_crops import candidates, landmarks, show_one_picture
from harness.errors import UserInputError

HASH_SIDE = 8
MOST_DIFFERENT_BITS = 5
# Steps of a thumbnail's cells up to which noise alone may make them.
FLAT = 2


@dataclass(frozen=True)
class Signature:
    """By what a pair is known again: difference hashes of A and B, and B's landmarks."""

    hashes: tuple[int, ...]
    landmarks: bytes


class Groups:
    """Numbers from 0 to `count` - 1, each in a group of its own until joined."""

    def __init__(self, count: int) -> None:
        self.leaders = list(range(count))

    def leader(self, number: int) -> int:
        """One number that stands for the whole group."""
        while self.leaders[number] != number:
            self.leaders[number] = self.leaders[self.leaders[number]]
            number = self.leaders[number]
        return number

    def join(self, one: int, other: int) -> None:
        low, high = sorted((self.leader(one), self.leader(other)))
        self.leaders[high] = low

    def listed(self) -> list[list[int]]:
        """The groups, each in rising order."""
        groups: dict[int, list[int]] = defaultdict(list)
        for number in range(len(self.leaders)):
            groups[self.leader(number)].append(number)
        return list(groups.values())


def signature(a: Picture, b: Picture) -> Signature:
    """The signature of a pair of pictures `[h, w, 3]`, or of their lumas `[h, w]`."""
    hashes = (difference_hash(picture) for picture in (a, b))
    return Signature(tuple(known for known in hashes if known is not None), landmarks(b))


def difference_hash(picture: Picture) -> int | None:
    """64 bits: is each cell of an 8 x 8 thumbnail brighter than its left neighbour? None of a
    picture of one tone, which is no more like another one than like any.

    Survives scaling, recompression and small local warps; not a tighter crop.
    """
    thumbnail = Image.fromarray(picture).convert("L").resize((HASH_SIDE + 1, HASH_SIDE))
    cells = np.asarray(thumbnail, np.int16)
    if np.ptp(cells) <= FLAT:
        return None
    bits = (cells[:, 1:] > cells[:, :-1]).ravel()
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def close_hashes(hashes: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Indices of hashes that differ in a few bits; of equal ones, each with the first.

    Two hashes that differ in at most k bits agree wholly on one of k + 1 bands, so that only
    those which share a band are compared.
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
    others."""
    groups = Groups(len(signatures))
    owners = [index for index, known in enumerate(signatures) for _ in known.hashes]
    for one, other in close_hashes([value for known in signatures for value in known.hashes]):
        groups.join(owners[one], owners[other])
    # Pairs that are together already are represented by one of them.
    leaders = [group[0] for group in groups.listed()]
    pictures = [signatures[leader].landmarks for leader in leaders]
    for one, other, matches in candidates(pictures):
        apart = groups.leader(leaders[one]) != groups.leader(leaders[other])
        if apart and show_one_picture(pictures[one], pictures[other], matches):
            groups.join(leaders[one], leaders[other])
    return groups.listed()


def read_signature(files: PairFiles) -> Signature:
    """A pair's signature; one like no other's where it cannot be read: who needs it will say."""
    try:
        return signature(*read_halves(files))
    except UserInputError:
        return Signature((), b"")
