"""Split the pairs of a folder into train, val and test, by whole pictures and with a seed."""

import json
import math
import random
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from harness.config.settings import FINAL_TIMES, TrainSettings
from harness.data.files.bit_depth import WIDEST
from harness.data.files.duplicates import read_signature, same_picture_groups
from harness.data.files.pair_folders import SPLITS, PairFiles, PairFolder, Split
from harness.data.files.processes import parallel_map, processes_for
from harness.data.pairs.cache import digest_of, stamp
from harness.errors import UserInputError, inline
from harness.paths import write_atomically

# Every rung restores and scores all validation pictures, so their number affects a trial's cost.
MOST_VAL = 32
VAL_SHARE = 0.2
# With fewer different pictures than this, none is moved to test.
LEAST_TRAIN_GROUPS = 4
# Part of the cache's key: increase when the same pairs give other groups.
VERSION = 2
# Limit for the training pairs of a study; a full training uses all pairs.
MOST_TRAIN_BYTES = 4 << 30


def with_held_out(
    folder: PairFolder,
    most: int,
    seed: int,
    cache: Path,
    needed: Sequence[Split] = ("val", "test"),
) -> PairFolder:
    """Draw those of the `needed` splits that are missing from `train`, by whole pictures.

    The search is scored on `val`, its finalists on `test`. A folder that is too small for both gets
    no `test`. Pairs whose pictures cannot be read stay in `train`.

    Args:
        most: maximum number of training pairs.

    Raises:
        UserInputError: there are too few pairs to hold one out.
    """
    splits = dict(folder.splits)
    if "train" not in splits:
        raise UserInputError(
            f"{inline(folder.root)} has no training pairs: put pictures into train/ there."
        )
    missing = [split for split in needed if split not in splits]
    if not missing:
        return folder
    # Opens no more pairs than can be used.
    pairs = drawn(splits["train"], most + len(missing) * MOST_VAL, seed)
    if "val" in missing and len(pairs) < 2:
        raise UserInputError(
            f"{inline(folder.root)} holds one pair only: give at least one to train on and one "
            "to validate with."
        )
    groups = [[pairs[index] for index in group] for group in picture_groups(pairs, cache)]
    readable = {pair.name for group in groups for pair in group}
    unreadable = [[pair] for pair in pairs if pair.name not in readable]
    if "val" in missing and len(groups) + len(unreadable) < 2:
        raise UserInputError(
            f"All pairs of {inline(folder.root)} show one picture, so that none can be held out "
            "to validate with: add pairs of another."
        )
    random.Random(seed).shuffle(groups)
    groups = unreadable + groups  # drawn from its end
    count = min(MOST_VAL, max(1, round(VAL_SHARE * len(readable))))
    for split in missing:
        held_out: list[PairFiles] = []
        least = 1 if split == "val" else LEAST_TRAIN_GROUPS + len(unreadable)
        while len(groups) > least and len(held_out) < count:
            held_out += groups.pop()
        if held_out:
            splits[split] = by_name(held_out)
    splits["train"] = by_name(pair for group in groups for pair in group)
    ordered = {split: splits[split] for split in SPLITS if split in splits}
    return replace(folder, splits=ordered)


def by_name(pairs: Iterable[PairFiles]) -> tuple[PairFiles, ...]:
    return tuple(sorted(pairs, key=lambda pair: pair.name))


def picture_groups(pairs: Sequence[PairFiles], cache: Path) -> list[list[int]]:
    """Groups of indices of pairs that show the same picture, whole or cropped; unreadable pairs are
    in none.

    Cached by the files' names, sizes and times, so that a resumed search opens no picture.
    """
    bits = {f"{pair.bits} bits" for pair in pairs if pair.bits != WIDEST}
    files = (file for pair in pairs for file in pair.files)
    stamps = digest_of([str(VERSION)], map(stamp, files), bits)
    file = cache / "groups" / f"{stamps}.json"
    with suppress(OSError, ValueError):
        groups: list[list[int]] = json.loads(file.read_text(encoding="utf-8"))
        return groups
    signatures = enumerate(parallel_map(read_signature, pairs, processes_for(len(pairs))))
    read = {index: known for index, known in signatures if known is not None}
    places = list(read)
    groups = [[places[n] for n in group] for group in same_picture_groups(list(read.values()))]
    # Without a cache, the groups are computed again the next time.
    with suppress(OSError):
        write_atomically(file, json.dumps(groups))
    return groups


def limit(folder: PairFolder, most: int, seed: int) -> PairFolder:
    """At most `most` training pairs and `MOST_VAL` of each other split, drawn with `seed`."""
    splits = {
        split: drawn(pairs, most if split == "train" else MOST_VAL, seed)
        for split, pairs in folder.splits.items()
    }
    return replace(folder, splits=splits)


def most_train(train: TrainSettings) -> int:
    """The number of training pairs that a study uses: as many as its longest training can use
    once, and at most `MOST_TRAIN_BYTES` for squares of `load_size`."""
    warm_start = train.warm_start_steps + train.warm_discriminator_steps
    steps = max(warm_start, math.ceil(FINAL_TIMES * train.steps))
    return max(1, min(steps * train.batch_size, MOST_TRAIN_BYTES // (6 * train.load_size**2)))


def drawn(pairs: tuple[PairFiles, ...], most: int, seed: int) -> tuple[PairFiles, ...]:
    """At most `most` of `pairs`, randomly drawn, in their original order."""
    if len(pairs) <= most:
        return pairs
    chosen = random.Random(seed).sample(range(len(pairs)), most)
    return tuple(pairs[index] for index in sorted(chosen))
