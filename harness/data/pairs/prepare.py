"""Prepare the user's pairs, or the built-in ones, as one cached file."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from harness.config.settings import Direction, TrainSettings
from harness.data.files.folder_bit_depth import depth_remark, with_bits
from harness.data.files.listing import account_of
from harness.data.files.pair_folders import SIDES, PairFiles, PairFolder, Split, find_pairs
from harness.data.pairs.built_in import built_in_pairs
from harness.data.pairs.cache import digest_of, fingerprints
from harness.data.pairs.pair_set import Dataset, PairSet, TrainingPair, load_dataset, write_pairs
from harness.data.pairs.sizing import centred_crop, sized_pair
from harness.data.pairs.splits import limit, most_train, with_held_out
from harness.errors import UserInputError, as_user_input_error, inline
from harness.paths import replace_atomically
from objectives.masks import SMALLEST_CORE
from search_spaces.checks import GENERATOR_MULTIPLE

# Part of the digest: increase when the same inputs give other prepared pixels.
RECIPE = 1
# The same for the built-in pairs.
BUILT_IN = 2

Splits = Mapping[str, Iterable[TrainingPair]]


@dataclass(frozen=True)
class PreparedData:
    """The file of prepared pairs, and its description.

    Attributes:
        file: the prepared pairs, for `harness.data.pairs.pair_set.load_dataset`.
        digest: identifies the files' content and all settings that affect the pixels, on any
            machine.
        source: a description for the user, one line.
        n_train: number of training pairs.
        n_val: number of validation pairs.
        n_test: number of pairs held out from the search; 0 if the folder is too small for any.
        n_folder: number of pairs in the user's train/, all of which train.py would read.
        n_drawn: how many of these were drawn for validation or held out.
    """

    file: Path
    digest: str
    source: str
    n_train: int
    n_val: int
    n_test: int
    n_folder: int
    n_drawn: int


def prepare_data(
    data: Path | None,
    direction: Direction,
    train: TrainSettings,
    cache: Path,
    skip_bad: bool = False,
    seed: int = 0,
    every_pair: bool = False,
) -> PreparedData:
    """Prepare the pairs of `data` (None: the built-in ones) for `train`, or find them in the cache.

    Training pairs have the size given by `preprocess` and `load_size`; validation and test pairs
    are cropped to `crop_size`, around the warped region.

    Args:
        skip_bad: whether to leave out pairs that cannot be read, instead of raising an error.
        seed: matters only if the folder lacks splits, or has more pairs than are used.
        every_pair: whether to use all pairs of train/, as a full training does, instead of at most
            `most_train`, with some set aside for a test.

    Raises:
        UserInputError: the pairs cannot be used; the message names the file. Nothing is written.
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
        digest = digest_of([json.dumps({"built-in": BUILT_IN, **shape}, sort_keys=True)])
        file = prepared_file(cache, digest)
        dataset = cached(file) or written(lambda: built_in(train), digest, file)
        source = "built-in photographs of scikit-image, liquified"
        return prepared(file, digest, source, dataset, len(dataset.train), 0)
    found = with_bits(find_pairs(data))
    if direction == "BtoA" and found.sides != SIDES[0]:
        retouched, original = found.sides
        raise UserInputError(
            f"--direction BtoA contradicts the folders {retouched}/ and {original}/ of "
            f"{inline(data)}, whose names say what is to be restored: leave it out."
        )
    most = sys.maxsize if every_pair else most_train(train)
    needed: tuple[Split, ...] = ("val",) if every_pair else ("val", "test")
    folder = with_held_out(found, most, seed, cache, needed)
    limited = limit(folder, most, seed)
    digest = digest_of(
        [json.dumps(shape | {"direction": direction, "skip_bad": skip_bad}, sort_keys=True)],
        fingerprints(limited),
    )
    file = prepared_file(cache, digest)
    dataset = cached(file) or written(
        lambda: read_all(limited, direction, train, skip_bad), digest, file
    )
    refuse_unscorable(limited, dataset.val)
    drawn = folder.splits.keys() - found.splits.keys()
    counts = (len(found.splits["train"]), sum(len(folder.splits[split]) for split in drawn))
    return prepared(file, digest, described(found, folder, dataset), dataset, *counts)


def prepared(
    file: Path, digest: str, source: str, dataset: Dataset, n_folder: int, n_drawn: int
) -> PreparedData:
    counts = (len(dataset.train), len(dataset.val), len(dataset.test))
    return PreparedData(file, digest, source, *counts, n_folder, n_drawn)


def prepared_file(cache: Path, digest: str) -> Path:
    return cache / "pairs" / f"{digest}.pt"


def cached(file: Path) -> Dataset | None:
    """The pairs that an earlier run prepared; None if missing or damaged."""
    try:
        return load_dataset(file)
    except (OSError, ValueError):
        return None


def written(make: Callable[[], Splits], digest: str, file: Path) -> Dataset:
    """Write the pairs that `make` returns to `file`, and load them.

    Raises:
        UserInputError: the cache folder cannot be written.
    """
    try:
        splits = make()
        with replace_atomically(file) as aside:
            write_pairs(splits, digest, aside)
        return load_dataset(file)
    except OSError as error:
        raise UserInputError(
            f"Prepared pairs cannot be saved in {inline(file.parent)} ({error}): free space there "
            "or name another folder in the environment variable HARNESS_CACHE."
        ) from error
    except UserInputError:
        with suppress(OSError):  # fails if the folder has other pairs
            file.parent.rmdir()
        raise


def built_in(train: TrainSettings) -> Splits:
    """The built-in pairs at the size of `train`."""
    scaled = train.preprocess not in ("crop", "none")
    with as_user_input_error(ValueError):
        splits = built_in_pairs(train.load_size if scaled else train.crop_size)
    held_out = {split: cut_all(splits[split], train.crop_size) for split in ("val", "test")}
    return {"train": splits["train"], **held_out}


def cut_all(pairs: PairSet, crop_size: int) -> PairSet:
    return PairSet.of([centred_crop(pair, crop_size) for pair in pairs])


def read_all(
    folder: PairFolder, direction: Direction, train: TrainSettings, skip_bad: bool
) -> Splits:
    """The pairs of `folder`; those to train on are read one by one."""

    def pairs_of(split: Split) -> Iterator[TrainingPair]:
        empty = True
        for files in folder.splits.get(split, ()):
            try:
                pair = sized_pair(files, direction, train, "quick" if split == "train" else "fine")
            except UserInputError as error:
                if skip_bad:
                    continue
                raise UserInputError(
                    f"{error} (harness data check {quote(str(folder.root))} --fix NEW writes a "
                    "copy without such files; harness search has --skip-bad.)"
                ) from error
            empty = False
            yield pair if split == "train" else centred_crop(pair, train.crop_size)
        if empty and split != "test":
            raise UserInputError(f"{inline(folder.root)} has no readable pair left for {split}.")

    val, test = (PairSet.of(list(pairs_of(split))) for split in ("val", "test"))
    refuse_unscorable(folder, val)
    if largest_region(test)[1] < SMALLEST_CORE:
        test = PairSet.of([])
    return {"train": pairs_of("train"), "val": val, "test": test}


def refuse_unscorable(folder: PairFolder, val: PairSet) -> None:
    """Refuse validation pairs if none of them can be scored, before any trial is trained."""
    name, share = largest_region(val)
    if share < SMALLEST_CORE:
        pairs = folder.splits["val"]
        best = next((files for files in pairs if files.name == name), pairs[0])
        raise UserInputError(
            f"No validation pair of {inline(folder.root)} has a warped region of at "
            f"least {SMALLEST_CORE:.2%} of its area, so there is nothing to restore or score: "
            + too_little(best, share)
        )


def largest_region(pairs: PairSet) -> tuple[str, float]:
    """The pair with the largest warped region, and its share of the picture; ("", 0) if none."""
    shares = (
        (name, float(mask.float().mean()))
        for name, mask in zip(pairs.names, pairs.masks, strict=True)
    )
    return max(shares, key=lambda entry: entry[1], default=("", 0.0))


def too_little(files: PairFiles, share: float) -> str:
    """Why even the largest region is almost empty, and what to do."""
    if files.mask is not None:
        return (
            f"the mask with the most white, {inline(files.mask)}, has {share:.3%}; paint the "
            "warped regions white in the masks, or remove the masks to have the regions found."
        )
    return (
        f"nothing has moved between A and B, in {inline(Path(files.name))} or any other pair; give "
        "retouched pictures and their originals."
    )


def described(found: PairFolder, folder: PairFolder, dataset: Dataset) -> str:
    """A description of a user's folder, one line: its layout, and the pairs that are used."""
    have = {split: len(pairs) for split, pairs in folder.splits.items()}
    used = {"train": len(dataset.train), "val": len(dataset.val), "test": len(dataset.test)}
    parts = [
        f"{split} {used[split]}" + (f" of {count}" if count != used[split] else "")
        for split, count in have.items()
    ]
    total = sum(map(len, found.splits.values()))
    drawn_from = f", drawn from {total}" if total > sum(have.values()) else ""
    bits = next(pair.bits for pairs in folder.splits.values() for pair in pairs)
    remarks = (depth_remark(bits), account_of(found.passed_over))
    suffix = "".join(f"; {remark}" for remark in remarks if remark)
    return f"{inline(folder.root)} ({folder.layout}: {', '.join(parts)}{drawn_from}{suffix})"
