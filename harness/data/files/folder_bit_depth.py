"""Estimate the number of bits that the 16-bit pictures of a folder use, from a sample."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from harness.data.files.bit_depth import WIDEST, bits_for, is_wide, largest_value
from harness.data.files.pair_folders import PairFolder
from harness.data.files.picture_reading import opened_picture
from harness.errors import UserInputError

SAMPLE_SIZE = 64


def bits_of(files: Sequence[Path]) -> int:
    """The smallest bit depth that fits the 16-bit pictures among `files`; 16 if there are none.

    Opens at most 64 evenly spaced files; unreadable ones are skipped here and reported later.
    """
    largest = 0
    for file in files[:: -(-len(files) // SAMPLE_SIZE) or 1]:
        with suppress(UserInputError), opened_picture(file) as opened:
            if is_wide(opened):
                largest = max(largest, largest_value(opened))
        if largest and bits_for(largest) == WIDEST:
            break
    return bits_for(largest)


def with_bits(folder: PairFolder) -> PairFolder:
    """The same pairs, with `bits` set to what their 16-bit pictures use."""
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
    """A remark about pictures that use fewer than 16 bits; "" for others."""
    if bits == WIDEST:
        return ""
    return (
        f"16-bit pictures are read as {bits}-bit, a guess: all their values are below {2**bits:,}"
    )
