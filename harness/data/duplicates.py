"""Pictures that show the same thing, so that none is both trained on and validated with."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from PIL import Image

from harness.data.folders import PairFiles
from harness.data.reading import Picture, read_picture, split_halves
from harness.errors import UserInputError

HASH_SIDE = 8
MOST_DIFFERENT_BITS = 5


def difference_hash(picture: Picture) -> int:
    """64 bits: is each cell of an 8 x 8 thumbnail brighter than its left neighbour?

    Survives scaling, recompression and small local warps; not a tighter crop.
    """
    thumbnail = Image.fromarray(picture).convert("L").resize((HASH_SIDE + 1, HASH_SIDE))
    cells = np.asarray(thumbnail, np.int16)
    bits = (cells[:, 1:] > cells[:, :-1]).ravel()
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def near_duplicates(hashes: Sequence[int]) -> list[list[int]]:
    """Groups of indices whose hashes differ in a few bits, directly or through others.

    Two hashes that differ in at most k bits agree wholly on one of k + 1 bands, so that only
    those which share a band are compared.
    """
    first: dict[int, int] = {}
    leader = [first.setdefault(value, index) for index, value in enumerate(hashes)]

    def find(index: int) -> int:
        while leader[index] != index:
            leader[index] = leader[leader[index]]
            index = leader[index]
        return index

    bands = MOST_DIFFERENT_BITS + 1
    edges = [64 * band // bands for band in range(bands + 1)]
    for low, high in pairwise(edges):
        sharing: dict[int, list[int]] = defaultdict(list)
        for value, index in first.items():
            like = sharing[value >> low & (1 << high - low) - 1]
            for other in like:
                if (value ^ hashes[other]).bit_count() <= MOST_DIFFERENT_BITS:
                    leader[find(index)] = find(other)
            like.append(index)
    groups: dict[int, list[int]] = defaultdict(list)
    for index in range(len(hashes)):
        groups[find(index)].append(index)
    return list(groups.values())


def same_original_groups(pairs: Sequence[PairFiles]) -> list[list[PairFiles]]:
    """Pairs that share a picture, A or B, stand in one group; an unreadable pair stands alone."""
    hashes: list[int] = []
    owner: list[int] = []
    for index, files in enumerate(pairs):
        for picture in halves_or_nothing(files):
            hashes.append(difference_hash(picture))
            owner.append(index)
    group_of = list(range(len(pairs)))
    for group in near_duplicates(hashes):
        members = {group_of[owner[entry]] for entry in group}
        group_of = [min(members) if number in members else number for number in group_of]
    groups: dict[int, list[PairFiles]] = defaultdict(list)
    for index, number in enumerate(group_of):
        groups[number].append(pairs[index])
    return list(groups.values())


def halves_or_nothing(files: PairFiles) -> tuple[Picture, ...]:
    """Both pictures of a pair; none where the pair cannot be read (whoever needs it will say)."""
    try:
        if files.b is None:
            return split_halves(read_picture(files.a), files.a)
        return read_picture(files.a), read_picture(files.b)
    except UserInputError:
        return ()
