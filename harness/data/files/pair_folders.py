"""Find the pairs in a user's folder, in any of the supported layouts. Opens no picture."""

import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from harness.data.files.bit_depth import WIDEST
from harness.data.files.listing import (
    account_of,
    by_stem,
    firsts,
    list_pictures,
    name_of,
    readable,
    stem_of,
    unreadable,
)
from harness.data.files.pair_lists import rows_of
from harness.errors import UserInputError, inline

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
SPLIT_NAMES: Mapping[Split, tuple[str, ...]] = {
    "train": ("train",),
    "val": ("val", "validation", "valid"),
    "test": ("test",),
}
# Names of the folders for A and B that say what is in them: A is the retouched side.
DESCRIPTIVE_SIDES = (
    ("retouched", "original"),
    ("retouched", "originals"),
    ("after", "before"),
    ("input", "target"),
)
SIDES = (("A", "B"), *DESCRIPTIVE_SIDES, *((a.title(), b.title()) for a, b in DESCRIPTIVE_SIDES))
MANIFESTS = ("pairs.csv", "pairs.tsv", "pairs.jsonl", "manifest.csv", "manifest.jsonl")
LISTS = (".csv", ".tsv", ".txt", ".jsonl")
# Entries next to the pairs that are not passed over: masks, fields, the log of `data make`.
OURS = frozenset({"masks", "fields", "made.jsonl"})


@dataclass(frozen=True)
class PairFiles:
    """The files of one pair.

    Attributes:
        name: unique in its folder, with `/` on every system.
        a: picture A, or both halves side by side if `b` is None.
        b: picture B, or None.
        mask: the warped region, if the user has drawn it, else None.
        field: the displacement fields, if `harness data make` saved them, else None.
        bits: the number of bits that 16-bit pictures use; the same for the whole folder.
        twins: files that differ in their suffix only, any of which may be meant; usually none.
    """

    name: str
    a: Path
    b: Path | None = None
    mask: Path | None = None
    field: Path | None = None
    bits: int = WIDEST
    twins: tuple[Path, ...] = ()

    @property
    def files(self) -> tuple[Path, ...]:
        """The picture files of the pair, with its mask and its twins."""
        named = (self.a, self.b, self.mask, *self.twins)
        return tuple(file for file in named if file is not None)


@dataclass(frozen=True)
class PairFolder:
    """A user's pairs by split; pairs without a split are in `train`.

    `passed_over` has the names of all other entries; those of folders end with `/`. `sides` are the
    names of the folders of A and B, one of `SIDES`, if that is the layout.
    """

    root: Path
    layout: Literal["aligned", "two folders", "manifest"]
    splits: Mapping[Split, tuple[PairFiles, ...]]
    passed_over: tuple[str, ...] = ()
    sides: tuple[str, str] = SIDES[0]


def evenly(pairs: Sequence[PairFiles], most: int) -> tuple[PairFiles, ...]:
    """At most `most` of the pairs, evenly spaced."""
    count = min(most, len(pairs))
    return tuple(pairs[number * len(pairs) // count] for number in range(count))


def find_pairs(folder: Path) -> PairFolder:
    """Detect the layout of a folder and list its pairs.

    Layouts: `{train,val,test}/**/*` or `*` with both halves side by side; `A/ B/`,
    `A/train B/train`, `train/A train/B` or `trainA trainB`, where A and B may have other names
    (`SIDES`); or a manifest, a table or JSONL with the columns `a`, `b` and optionally `mask` and
    `split`. Masks may be in `masks/`, under the same names.

    Raises:
        UserInputError: the folder does not exist or has no pictures, or none of A matches one of B.
    """
    try:
        return detect_layout(folder)
    except PermissionError as error:
        raise unreadable(error) from error


def detect_layout(folder: Path) -> PairFolder:
    """`find_pairs` without the handling of missing permissions."""
    if folder.is_file():
        if folder.suffix.lower() in LISTS:
            return from_manifest(folder)
        raise UserInputError(
            f"{inline(folder)} is a file: give a folder with train/ and val/, or a list of pairs "
            f"({', '.join(LISTS)})."
        )
    if not folder.is_dir():
        raise UserInputError(
            f"There is no data folder {inline(folder)}: name a folder with train/ and val/."
        )
    for name in MANIFESTS:
        if (folder / name).is_file():
            return from_manifest(folder / name)
    found = two_folders(folder) or side_by_side(folder)
    masks = list_pictures(folder / "masks", folder)
    used = {file for pairs in found.splits.values() for pair in pairs for file in pair.files}
    unused = (name_of(file, folder) for file in masks.pictures if file not in used)
    passed_over = (*found.passed_over, *masks.passed_over, *unused)
    if not found.splits:
        account = account_of(passed_over)
        raise UserInputError(
            f"{inline(folder)} holds no pairs: put pictures with A and B side by side into "
            "train/ and val/ there, or retouched pictures and their originals, under equal names, "
            "into retouched/ and original/" + (f" ({account})." if account else ".")
        )
    return replace(found, passed_over=passed_over)


def split_folders(folder: Path, pattern: str = "{}") -> Iterator[tuple[Split, str]]:
    """Each split that has a folder, and the name used there.

    Args:
        pattern: of folder names, with `{}` for the split.
    """
    for split, names in SPLIT_NAMES.items():
        existing = [name for name in names if (folder / pattern.format(name)).is_dir()]
        if len(existing) > 1:
            first, second = (pattern.format(name) for name in existing[:2])
            raise UserInputError(
                f"{inline(folder)} has {first}/ and {second}/, two names of one split: put all its "
                "pictures into one of them."
            )
        if existing:
            yield split, existing[0]


def side_by_side(folder: Path) -> PairFolder:
    """Pairs of `{train,val,test}/**/*`; if there are none, those of `*`, all in `train`.

    Other subfolders are passed over, since their pictures need not be pairs.
    """
    splits: dict[Split, tuple[PairFiles, ...]] = {}
    passed_over: list[str] = []
    used_names: list[str] = []
    for split, name in split_folders(folder):
        listing = list_pictures(folder / name, folder)
        passed_over += listing.passed_over
        used_names.append(name)
        if listing.pictures:
            splits[split] = paired(folder, name, listing.pictures)
    if not splits and (pictures := list_pictures(folder, deep=False).pictures):
        splits["train"] = paired(folder, ".", pictures)
        used_names += [file.name for file in pictures]
    return PairFolder(
        folder, "aligned", splits, (*passed_over, *unused_entries(folder, used_names))
    )


def paired(folder: Path, name: str, pictures: Iterable[Path]) -> tuple[PairFiles, ...]:
    """Pairs of side-by-side pictures in the split folder `name`, with their masks and fields."""
    every_mask = masks_in(folder, name)
    masks = firsts(every_mask)
    fields = fields_in(folder / "fields" / name) or fields_in(folder / "fields")
    stems = ((file, stem_of(file, folder / name)) for file in pictures)
    return tuple(
        PairFiles(
            name_of(file, folder),
            file,
            mask=masks.get(stem),
            field=fields.get(stem),
            twins=twins_of(stem, every_mask),
        )
        for file, stem in stems
    )


def masks_in(folder: Path, name: str) -> dict[str, list[Path]]:
    """The masks of the split folder `name`, by stem; those of all splits if it has none."""
    places = (folder / "masks" / name, folder / "masks")
    found = (by_stem(list_pictures(place).pictures, place) for place in places)
    return next((masks for masks in found if masks), {})


def twins_of(stem: str, *found: Mapping[str, Sequence[Path]]) -> tuple[Path, ...]:
    """The first files of this stem that are several."""
    named = (files.get(stem, ()) for files in found)
    return next((tuple(files) for files in named if len(files) > 1), ())


def two_folders(folder: Path) -> PairFolder | None:
    """Pairs of a folder for A and one for B, also for each split; None if no such folders exist."""
    return next((found for sides in SIDES if (found := of_sides(folder, sides))), None)


def of_sides(folder: Path, sides: tuple[str, str]) -> PairFolder | None:
    """Pairs of `trainA trainB`, `A/train B/train`, `train/A train/B` or `A B`, A and B being the
    `sides`; None if no such folders exist. The first of these layouts that has a split gives it."""
    splits: dict[Split, tuple[PairFiles, ...]] = {}
    passed_over: list[str] = []
    used_names: set[str] = set()
    patterns = [[f"{{}}{side}" for side in sides]] if sides == SIDES[0] else []
    patterns += [[f"{side}/{{}}" for side in sides], [f"{{}}/{side}" for side in sides]]
    places: list[tuple[Split, str, str, str]] = [
        (split, name, left.format(name), right.format(name))
        for left, right in patterns
        for split, name in split_folders(folder, left)
    ]
    if not any("/" in left for _, _, left, _ in places):
        places.append(("train", ".", *sides))
    for split, name, left, right in places:
        if split not in splits and (folder / left).is_dir() and (folder / right).is_dir():
            splits[split], over = matched(folder, left, right, name)
            passed_over += over
            used_names |= {left, right}
    if not splits:
        return None
    within: dict[str, list[str]] = defaultdict(list)
    for place in used_names:
        above, slash, name = place.partition("/")
        if slash:
            within[above].append(name)
    passed_over += unused_entries(folder, [place.partition("/")[0] for place in used_names])
    for above, names in within.items():
        passed_over += (f"{above}/{name}" for name in unused_entries(folder / above, names))
    ordered = {split: splits[split] for split in SPLITS if split in splits}
    return PairFolder(folder, "two folders", ordered, tuple(passed_over), sides)


def matched(
    folder: Path, left: str, right: str, name: str
) -> tuple[tuple[PairFiles, ...], tuple[str, ...]]:
    """Pairs of files with the same name except the suffix, and the entries passed over.

    A picture without a counterpart is a pair, too: the missing file, which gets its ending, is
    reported as any that cannot be read. So are twins.

    Raises:
        UserInputError: there are no pictures, or none has a counterpart.
    """
    listings = [list_pictures(folder / side, folder) for side in (left, right)]
    every = [
        by_stem(listing.pictures, folder / side)
        for listing, side in zip(listings, (left, right), strict=True)
    ]
    every.append(masks_in(folder, name))
    a, b, masks = map(firsts, every)
    passed_over = tuple(over for listing in listings for over in listing.passed_over)
    account = account_of(passed_over)
    remark = f" ({account}.)" if account else ""
    for side, files in ((left, a), (right, b)):
        if not files:
            raise UserInputError(f"{inline(folder / side)} holds no pictures.{remark}")
    if a.keys().isdisjoint(b):
        raise UserInputError(
            f"No picture in {inline(folder / left)} has a counterpart in {right}/: pictures are "
            f"paired by name, but the first are {readable(min(a))!r} and {readable(min(b))!r}."
            f"{remark}"
        )
    pairs = []
    for stem in sorted(a.keys() | b):
        file, side = (a[stem], left) if stem in a else (b[stem], right)
        inside = file.relative_to(folder / side)
        file_a = a.get(stem, folder / left / inside)
        file_b = b.get(stem, folder / right / inside)
        pair = PairFiles(name_of(file_a, folder), file_a, file_b, masks.get(stem))
        pairs.append(replace(pair, twins=twins_of(stem, *every)))
    return tuple(pairs), passed_over


def unused_entries(folder: Path, used_names: Collection[str]) -> tuple[str, ...]:
    """Entries directly in `folder` that are not used as pairs, masks or fields."""
    listing = list_pictures(folder, deep=False)
    names = (*(name_of(file, folder) for file in listing.pictures), *listing.passed_over)
    known = {readable(name) for name in used_names} | OURS
    return tuple(name for name in names if name.removesuffix("/") not in known)


def fields_in(folder: Path) -> dict[str, Path]:
    """The displacement fields below a folder, by `stem_of`."""
    return {stem_of(file, folder): file for file in folder.rglob("*.npz")}


def from_manifest(file: Path) -> PairFolder:
    """Pairs listed in a CSV or JSONL file; paths are relative to the file's folder."""
    aliases = {name: split for split, names in SPLIT_NAMES.items() for name in names}
    splits: dict[Split, list[PairFiles]] = {}
    seen: set[str] = set()
    for number, row in rows_of(file):
        alias = row.get("split", "train")
        split = aliases.get(alias.strip().lower())
        if split is None:
            raise UserInputError(
                f"{inline(file)}, row {number}: split {alias!r}; use train, val or test."
            )
        paths = {
            kind: name_in(file.parent, row[kind]) for kind in ("a", "b", "mask") if kind in row
        }
        name = readable(paths["a"])
        if name in seen:
            raise UserInputError(f"{inline(file)}, row {number}: {name!r} is listed twice.")
        seen.add(name)
        files = {kind: file.parent / path for kind, path in paths.items()}
        pair = PairFiles(name, files["a"], files.get("b"), files.get("mask"))
        splits.setdefault(split, []).append(pair)
    if not splits:
        raise UserInputError(f"{inline(file)} lists no pairs.")
    return PairFolder(
        file.parent,
        "manifest",
        {split: tuple(splits[split]) for split in SPLITS if split in splits},
    )


def name_in(folder: Path, name: str) -> str:
    """A file name of a list as the folder has it: as it is, with `/` for `\\`, or read as CP949,
    in which Korean Excel saves a CSV; with `/` if none of these exists."""
    slashed = name.replace("\\", "/")
    korean = os.fsencode(slashed).decode("cp949", "replace")
    return next((one for one in (name, slashed, korean) if (folder / one).exists()), slashed)
