"""Pairs for a search from portraits that have no retouched version, made once per set."""

import hashlib
import math
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from harness.data.files.listing import Remark, no_remark
from harness.data.files.picture_reading import MAX_ENLARGEMENT, opened_picture
from harness.data.files.processes import processes_for
from harness.data.synthesis.make_pairs import (
    MakePlan,
    find_originals,
    make_pairs,
    refuse_pairs,
)
from harness.errors import UserInputError, inline, quantity

# Part of the folder's name: prepend a number when the same portraits give different pairs. Pairs
# that an earlier version made are still used, so that its studies can be continued.
RECIPES = (2, 1)
FEWEST_PAIRS = 100
MOST_PAIRS = 1000
# The default of `harness data make`; smaller portraits give smaller pairs.
SIZE = 512


@dataclass(frozen=True)
class Making:
    """The pairs that a search makes from portraits.

    Attributes:
        portraits: number of portraits.
        pairs: number of pairs.
        size: side of a half, in pixels.
        folder: where they are stored; it exists once all are made.
    """

    portraits: int
    pairs: int
    size: int
    folder: Path

    @property
    def made(self) -> bool:
        """Whether the pairs exist already: a folder of this name is always complete."""
        return self.folder.is_dir()


def planned_pairs(originals: Path, place: Path, least: int) -> Making:
    """What `made_for_search` would make. Writes nothing.

    Raises:
        UserInputError: there are fewer than two different portraits, one is too small or cannot be
            read, or they are pairs side by side.
    """
    portraits, _ = find_originals(originals)
    size = size_for(portraits, least)
    contents = {name: content_of(file) for name, file in portraits.items()}
    if len(set(contents.values())) < 2:
        raise UserInputError(
            f"{inline(originals)} holds one picture: give at least two different ones, one of "
            "which is not trained on but validates."
        )
    pairs = min(max(FEWEST_PAIRS, len(portraits)), MOST_PAIRS)
    folders = [place / f"{size}px-{name}" for name in digests(contents, size, pairs)]
    folder = next((folder for folder in folders if folder.is_dir()), folders[0])
    making = Making(len(portraits), pairs, size, folder)
    if not making.made:
        refuse_pairs(list(portraits.values()), originals)
    return making


def made_for_search(originals: Path, place: Path, least: int, remark: Remark = no_remark) -> Path:
    """A data folder of pairs (A = retouched) made from the portraits in `originals`.

    Its name in `place` is derived from the portraits' content, so that the next search reuses it.

    Args:
        least: the smallest side of a pair in pixels that the search does not enlarge.
        remark: is called with a sentence before pairs are made, and with the progress.

    Raises:
        UserInputError: they cannot be made, as in `planned_pairs`.
    """
    making = planned_pairs(originals, place, least)
    folder, pairs, size = making.folder, making.pairs, making.size
    place.mkdir(parents=True, exist_ok=True)
    remove_begun(place)
    lock = place / f".{folder.name}.lock"
    try:
        with FileLock(lock):  # another search on the same portraits waits for the pairs
            if not making.made:
                remark(
                    f"Making {quantity(pairs, 'pair')} of {size} pixels of the "
                    f"{quantity(making.portraits, 'picture')} in {inline(originals)}, "
                    f"kept in {folder}."
                )
                plan = MakePlan(folder, size, seed=0)
                make_pairs(originals, pairs, plan, processes_for(pairs), remark)
    except UserInputError:
        with suppress(OSError):  # folders with other content stay
            lock.unlink()
            place.rmdir()
            place.parent.rmdir()
        raise
    return folder


def remove_begun(place: Path) -> None:
    """Remove unfinished pairs that killed searches left behind, from any portraits."""
    for begun in place.glob(".*.making"):
        lock = FileLock(begun.with_suffix(".lock"), timeout=0)
        with suppress(Timeout), lock:  # held if another search is making them
            shutil.rmtree(begun, ignore_errors=True)


def size_for(portraits: Mapping[str, Path], least: int) -> int:
    """The side of the pairs: 512 pixels, or less if the smallest portrait is smaller."""
    size = SIZE
    for file in portraits.values():
        with opened_picture(file) as opened:
            width, height = opened.size
        side = min(width, height)
        if math.floor(side * MAX_ENLARGEMENT) < least:
            raise UserInputError(
                f"{inline(file)} is {width} x {height}, too small to be sharp at the {least} "
                "pixels of this search: leave it out, or choose a smaller --profile."
            )
        size = min(size, max(side, least))
    return size


def content_of(file: Path) -> bytes:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").digest()


def digests(contents: Mapping[str, bytes], size: int, pairs: int) -> list[str]:
    """For each of `RECIPES`, a digest of the portraits, their names and how pairs are made from
    them: 12 hex digits."""
    totals = [hashlib.sha256(f"{recipe} {size} {pairs}".encode()) for recipe in RECIPES]
    for name, content in contents.items():
        for total in totals:
            total.update(hashlib.sha256(name.encode()).digest() + content)
    return [total.hexdigest()[:12] for total in totals]
