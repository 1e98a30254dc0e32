"""From the user's folder, or from nothing, to one file of prepared pairs, made once and cached."""

import hashlib
import json
import os
import random
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from harness.config import Direction, TrainSettings
from harness.data.duplicates import read_signature, same_picture_groups
from harness.data.folders import SPLITS, PairFiles, PairFolder, Split, find_pairs
from harness.data.pairs import Dataset, PairSet, load_dataset, save_dataset
from harness.data.pool import each, processes_for
from harness.data.reading import shown
from harness.data.samples import built_in_pairs
from harness.data.sizing import TrainingPair, centred_crop, sized_pair
from harness.data.spill import spilled
from harness.errors import UserInputError
from harness.paths import write_aside
from search_spaces.checks import GENERATOR_MULTIPLE

# Raise when the same inputs give other prepared pixels: the digest names what was made.
RECIPE = 1
# A rung restores and scores every validation picture, so their number is a trial's cost.
MOST_VAL = 32
VAL_SHARE = 0.2
# Fewer different pictures than these are all needed to train on.
LEAST_TRAIN_GROUPS = 4
# A short trial sees no more training pairs than these; a full training takes them all.
MOST_TRAIN_BYTES = 4 << 30


@dataclass(frozen=True)
class PreparedData:
    """Where the prepared pairs are and what they are.

    Attributes:
        file: for `harness.data.pairs.load_dataset`.
        digest: of the files' bytes and all settings that shape the pixels; the same everywhere.
        source: one line for people.
        n_train: pairs trained on.
        n_val: pairs scored.
        n_test: pairs held out from the search; 0 where the folder is too small to spare any.
    """

    file: Path
    digest: str
    source: str
    n_train: int
    n_val: int
    n_test: int


def default_cache() -> Path:
    """`HARNESS_CACHE`, or this user's cache folder."""
    if chosen := os.environ.get("HARNESS_CACHE"):
        return Path(chosen)
    system = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    return (Path(system) if system else Path.home() / ".cache") / "pix2pix-blur-harness"


def prepare_data(
    data: Path | None,
    direction: Direction,
    train: TrainSettings,
    cache: Path,
    skip_bad: bool = False,
    seed: int = 0,
    every_pair: bool = False,
) -> PreparedData:
    """Prepare the pairs of `data` (None: the built-in ones) for `train`, or find them prepared.

    Training pairs keep the size that `preprocess` and `load_size` give them; validation and test
    pairs are cut to `crop_size`, around the warped region. `seed` matters only where the folder
    has no split of its own, or more pairs than are used: without `every_pair` no more than
    `MOST_TRAIN_BYTES` to train on.

    Raises:
        UserInputError: the pairs cannot be used; the sentence names the file. Nothing is written.
    """
    if train.load_size < train.crop_size and train.preprocess not in ("crop", "none"):
        raise UserInputError(
            f"load_size {train.load_size} is smaller than crop_size {train.crop_size}: nothing of "
            "that size can be cropped; raise load_size or lower crop_size."
        )
    shape = {
        "recipe": RECIPE,
        "preprocess": train.preprocess,
        "load_size": train.load_size,
        "crop_size": train.crop_size,
    }
    if train.preprocess == "none":
        shape["multiple"] = GENERATOR_MULTIPLE[train.netG]
    if data is None:
        digest = digest_of([json.dumps({"built-in": shape}, sort_keys=True)])
        file = prepared_file(cache, digest)
        dataset = cached(file) or written(lambda: built_in(train, digest), file)
        source = "built-in photographs of scikit-image, liquified"
        return prepared(file, digest, source, dataset)
    found = find_pairs(data)
    most = sys.maxsize if every_pair else most_train(train)
    folder = with_held_out(found, most, seed, cache)
    limited = limit(folder, most, seed)
    digest = digest_of(
        [json.dumps(shape | {"direction": direction, "skip_bad": skip_bad}, sort_keys=True)],
        fingerprints(limited),
    )
    file = prepared_file(cache, digest)
    dataset = cached(file) or written(
        lambda: read_all(limited, direction, train, skip_bad, digest, file.parent), file
    )
    return prepared(file, digest, described(found, folder, dataset), dataset)


def prepared(file: Path, digest: str, source: str, dataset: Dataset) -> PreparedData:
    counts = (len(dataset.train), len(dataset.val), len(dataset.test))
    return PreparedData(file, digest, source, *counts)


def prepared_file(cache: Path, digest: str) -> Path:
    return cache / "pairs" / f"{digest}.pt"


def cached(file: Path) -> Dataset | None:
    """What an earlier run prepared; None where there is nothing whole."""
    try:
        return load_dataset(file)
    except (OSError, ValueError):
        return None


def written(made: Callable[[], Dataset], file: Path) -> Dataset:
    """Save what `made` makes as `file`.

    Raises:
        UserInputError: the cache folder cannot be written.
    """
    try:
        dataset = made()
        save_dataset(dataset, file)
    except (OSError, RuntimeError) as error:
        raise UserInputError(
            f"Prepared pairs cannot be kept in {shown(file.parent)} ({error}): make room there or "
            "name another folder in the environment variable HARNESS_CACHE."
        ) from error
    return dataset


def built_in(train: TrainSettings, digest: str) -> Dataset:
    """The built-in pairs at the size of `train`.

    Raises:
        UserInputError: they are too small for it.
    """
    scaled = train.preprocess not in ("crop", "none")
    try:
        splits = built_in_pairs(train.load_size if scaled else train.crop_size)
    except ValueError as error:
        raise UserInputError(str(error)) from error
    held_out = {split: cut_all(splits[split], train.crop_size) for split in ("val", "test")}
    return Dataset(splits["train"], held_out["val"], held_out["test"], digest)


def cut_all(pairs: PairSet, crop_size: int) -> PairSet:
    undone = pairs.undone or (None,) * len(pairs)
    whole = zip(pairs.names, pairs.retouched, pairs.originals, pairs.masks, undone, strict=True)
    return pair_set([centred_crop(TrainingPair(*pair), crop_size) for pair in whole])


def pair_set(pairs: Sequence[TrainingPair]) -> PairSet:
    undone = tuple(pair.undone for pair in pairs if pair.undone is not None)
    return PairSet(
        tuple(pair.name for pair in pairs),
        tuple(pair.retouched for pair in pairs),
        tuple(pair.original for pair in pairs),
        tuple(pair.mask for pair in pairs),
        undone if len(undone) == len(pairs) else (),
    )


def with_held_out(folder: PairFolder, most: int, seed: int, cache: Path) -> PairFolder:
    """Draw what a folder lacks of `val` and `test` from `train`, by whole pictures.

    `val` is what the search is scored on, `test` what its finalists are: a folder too small for
    both does without `test`.

    Args:
        most: training pairs that are used.

    Raises:
        UserInputError: there are too few pairs to hold one out.
    """
    splits = dict(folder.splits)
    if "train" not in splits:
        raise UserInputError(
            f"{shown(folder.root)} has no training pairs: put pictures into train/ there."
        )
    wanting: list[Split] = [split for split in ("val", "test") if split not in splits]
    if not wanting:
        return folder
    # Of many pairs only those that can be used are opened.
    pairs = drawn(splits["train"], most + len(wanting) * MOST_VAL, seed)
    if "val" in wanting and len(pairs) < 2:
        raise UserInputError(
            f"{shown(folder.root)} holds one pair only: give at least one to train on and one "
            "to validate with."
        )
    groups = [[pairs[index] for index in group] for group in picture_groups(pairs, cache)]
    if "val" in wanting and len(groups) < 2:
        raise UserInputError(
            f"All pairs of {shown(folder.root)} show one picture, so that none can be held out "
            "to validate with: add pairs of another."
        )
    random.Random(seed).shuffle(groups)
    wanted = min(MOST_VAL, max(1, round(VAL_SHARE * len(pairs))))
    for split in wanting:
        held_out: list[PairFiles] = []
        least = 1 if split == "val" else LEAST_TRAIN_GROUPS
        while len(groups) > least and len(held_out) < wanted:
            held_out += groups.pop()
        if held_out:
            splits[split] = by_name(held_out)
    splits["train"] = by_name(pair for group in groups for pair in group)
    ordered = {split: splits[split] for split in SPLITS if split in splits}
    return PairFolder(folder.root, folder.layout, ordered)


def by_name(pairs: Iterable[PairFiles]) -> tuple[PairFiles, ...]:
    return tuple(sorted(pairs, key=lambda pair: pair.name))


def picture_groups(pairs: Sequence[PairFiles], cache: Path) -> list[list[int]]:
    """Indices of pairs that show one picture, whole or cropped, in one group.

    Kept in the cache by the files' names, sizes and times: a search that goes on opens none.
    """
    stamps = digest_of(map(stamp, (file for pair in pairs for file in pair.files)))
    file = cache / "groups" / f"{stamps}.json"
    with suppress(OSError, ValueError):
        groups: list[list[int]] = json.loads(file.read_text(encoding="utf-8"))
        return groups
    groups = same_picture_groups(list(each(read_signature, pairs, processes_for(len(pairs)))))
    # Without a cache it is found again the next time.
    with suppress(OSError), write_aside(file) as aside:
        aside.write_text(json.dumps(groups), encoding="utf-8")
    return groups


def stamp(file: Path) -> str:
    """What changes when a file does."""
    try:
        known = file.stat()
    except OSError as error:
        return f"{file.absolute()}\n{type(error).__name__}"
    return f"{file.absolute()}\n{known.st_size}\n{known.st_mtime_ns}"


def limit(folder: PairFolder, most: int, seed: int) -> PairFolder:
    """At most so many training pairs, and as many others as time allows, drawn with `seed`."""
    splits = {
        split: drawn(pairs, most if split == "train" else MOST_VAL, seed)
        for split, pairs in folder.splits.items()
    }
    return PairFolder(folder.root, folder.layout, splits)


def most_train(train: TrainSettings) -> int:
    """Training pairs in `MOST_TRAIN_BYTES`, squares of `load_size` being assumed."""
    return max(1, MOST_TRAIN_BYTES // (6 * train.load_size**2))


def drawn(pairs: tuple[PairFiles, ...], most: int, seed: int) -> tuple[PairFiles, ...]:
    """At most so many of `pairs`, in their order."""
    if len(pairs) <= most:
        return pairs
    chosen = random.Random(seed).sample(range(len(pairs)), most)
    return tuple(pairs[index] for index in sorted(chosen))


def read_all(
    folder: PairFolder,
    direction: Direction,
    train: TrainSettings,
    skip_bad: bool,
    digest: str,
    place: Path,
) -> Dataset:
    """Read every pair of `folder`; those to train on stay in files of `place`, not in memory.

    Raises:
        UserInputError: a file cannot be used and `skip_bad` is not given, or none is left.
    """

    def pairs_of(split: Split) -> Iterator[TrainingPair]:
        for files in folder.splits.get(split, ()):
            try:
                pair = sized_pair(files, direction, train, "quick" if split == "train" else "fine")
            except UserInputError as error:
                if skip_bad:
                    continue
                raise UserInputError(f"{error} (--skip-bad leaves such files out.)") from error
            yield pair if split == "train" else centred_crop(pair, train.crop_size)

    def read(split: Split) -> PairSet:
        pairs = spilled(pairs_of(split), place) if split == "train" else list(pairs_of(split))
        if not pairs and split in ("train", "val"):
            raise UserInputError(f"{shown(folder.root)} has no readable pair left for {split}.")
        return pair_set(pairs)

    test = read("test")
    if not warped(test):
        test = pair_set([])
    dataset = Dataset(read("train"), read("val"), test, digest)
    if not warped(dataset.val):
        raise UserInputError(
            f"In no validation pair of {shown(folder.root)} is anything warped: A and B are the "
            "same picture, so there is nothing to restore or score."
        )
    return dataset


def warped(pairs: PairSet) -> bool:
    """Whether there is anything to restore in any of them."""
    return any(bool(mask.any()) for mask in pairs.masks)


def described(found: PairFolder, folder: PairFolder, dataset: Dataset) -> str:
    """One line about a user's folder: its layout, and what of it is used."""
    have = {split: len(pairs) for split, pairs in folder.splits.items()}
    used = {"train": len(dataset.train), "val": len(dataset.val), "test": len(dataset.test)}
    parts = [
        f"{split} {used[split]}" + (f" of {count}" if count != used[split] else "")
        for split, count in have.items()
    ]
    total = sum(map(len, found.splits.values()))
    drawn_from = f", drawn from {total}" if total > sum(have.values()) else ""
    return f"{shown(folder.root)} ({folder.layout}: {', '.join(parts)}{drawn_from})"


def fingerprints(folder: PairFolder) -> Iterable[str]:
    """Split, name and bytes of every file that is read, in a fixed order."""
    for split, pairs in folder.splits.items():
        for pair in pairs:
            yield f"{split}\n{pair.name}"
            fields = () if pair.field is None or split == "train" else (pair.field,)
            for file in pair.files + fields:
                try:
                    with file.open("rb") as opened:
                        yield hashlib.file_digest(opened, "sha256").hexdigest()
                except OSError as error:
                    yield f"unreadable: {type(error).__name__}"


def digest_of(*parts: Iterable[str]) -> str:
    """A digest of 32 hexadecimal digits."""
    total = hashlib.sha256()
    for texts in parts:
        for text in texts:
            total.update(hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest())
    return total.hexdigest()[:32]
