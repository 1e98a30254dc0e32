"""How many bits the 16-bit pictures of a folder use: one answer for all, from a few of them."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from harness.data.files.bit_depth import WIDEST, bits_for, is_wide, largest_value
from harness.data.files.pair_folders import PairFolder
from harness.data.files.picture_reading import opened_picture
from harness.errors import UserInputError

MOST_OPENED = 64


def bits_of(files: Sequence[Path]) -> int:
    """The fewest bits that the 16-bit pictures among `files` fit in; 16 where there are none.

    At most 64 files are opened, evenly drawn; what cannot be read is left to who needs it.
    """
    largest = 0
    for file in files[:: -(-len(files) // MOST_OPENED) or 1]:
        with suppress(UserInputError), opened_picture(file) as opened:
            if is_wide(opened):
                largest = max(largest, largest_value(opened))
        if largest and bits_for(largest) == WIDEST:
            break
    return bits_for(largest)


def with_bits(folder: PairFolder) -> PairFolder:
    """The same pairs, with the bits that their 16-bit pictures use."""
    pictures = [
        file
        for pairs in folder.splits.values()
        for pair in pairs
        for file in (pair.a, pair.b)
        if file is not None
    ]
    bits = bits_of(pictures)
    if bits == WIDEST:
        return folder
    splits = {
        split: tuple(replace(pair, bits=bits) for pair in pairs)
        for split, pairs in folder.splits.items()
    }
    return replace(folder, splits=splits)


def depth_remark(bits: int) -> str:
    """What is to be said of pictures that use fewer than 16 bits; "" of others."""
    if bits == WIDEST:
        return ""
    return (
        f"16-bit pictures are read as {bits}-bit, a guess: all their values are below {2**bits:,}"
    )
