"""Which files make a pair: the layouts that a user's folder may have. Opens no picture."""

import csv
import io
import json
import os
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.data.reading import is_picture, shown
from harness.errors import UserInputError

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
MANIFESTS = ("pairs.csv", "pairs.jsonl", "manifest.csv", "manifest.jsonl")


@dataclass(frozen=True)
class PairFiles:
    """The files of one pair.

    Attributes:
        name: unique in its folder, with `/` on every system.
        a: picture A, or both halves side by side where `b` is None.
        b: picture B, or None.
        mask: the warped region if the user has drawn it, else None.
        field: the displacement fields, where `harness data make` kept them, else None.
    """

    name: str
    a: Path
    b: Path | None = None
    mask: Path | None = None
    field: Path | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """Its pictures."""
        return tuple(file for file in (self.a, self.b, self.mask) if file is not None)


@dataclass(frozen=True)
class PairFolder:
    """A user's pairs by split; pairs without a split of their own stand under `train`."""

    root: Path
    layout: Literal["aligned", "two folders", "manifest"]
    splits: Mapping[Split, tuple[PairFiles, ...]]


def find_pairs(folder: Path) -> PairFolder:
    """Recognise the layout: `{train,val,test}/*` or `*` with both halves side by side;
    `A/ B/`, `A/train B/train` or `trainA trainB`; or a manifest, CSV or JSONL with the columns
    `a`, `b` and, if wished, `mask` and `split`. Masks may stand under `masks/`, by name.

    Raises:
        UserInputError: no such folder, no pictures in it, or A and B do not match.
    """
    if folder.is_file() and folder.suffix in (".csv", ".jsonl"):
        return from_manifest(folder)
    if not folder.is_dir():
        raise UserInputError(
            f"There is no data folder {shown(folder)}: give --data a folder with train/ and val/."
        )
    for name in MANIFESTS:
        if (folder / name).is_file():
            return from_manifest(folder / name)
    two = dict(two_folders(folder))
    if two:
        return PairFolder(folder, "two folders", two)
    aligned = {split: pictures for split in SPLITS if (pictures := tuple(listed(folder, split)))}
    if not aligned and (loose := tuple(listed(folder, "."))):
        aligned = {"train": loose}
    if not aligned:
        raise UserInputError(
            f"{shown(folder)} holds no pairs: put pictures with A and B side by side into "
            "train/ and val/ there, or A and B into folders of these names."
        )
    return PairFolder(folder, "aligned", aligned)


def listed(folder: Path, split: str) -> Iterator[PairFiles]:
    """Side-by-side pictures of one split, in the order of their names."""
    masks = by_stem(folder / "masks" / split) or by_stem(folder / "masks")
    fields = fields_in(folder / "fields" / split) or fields_in(folder / "fields")
    for file in pictures_in(folder / split):
        name, stem = file.relative_to(folder).as_posix(), stem_of(file)
        yield PairFiles(name, file, None, masks.get(stem), fields.get(stem))


def two_folders(folder: Path) -> Iterator[tuple[Split, tuple[PairFiles, ...]]]:
    """Pairs of `trainA trainB`, `A/train B/train` or `A B`."""
    for split in SPLITS:
        for left, right in ((f"{split}A", f"{split}B"), (f"A/{split}", f"B/{split}")):
            if (folder / left).is_dir() and (folder / right).is_dir():
                yield split, matched(folder, left, right, split)
    bare = not any((folder / "A" / split).is_dir() for split in SPLITS)
    if bare and (folder / "A").is_dir() and (folder / "B").is_dir():
        yield "train", matched(folder, "A", "B", ".")


def matched(folder: Path, left: str, right: str, split: str) -> tuple[PairFiles, ...]:
    """A's and B's files of the same name, whatever their suffix.

    Raises:
        UserInputError: a file has no counterpart.
    """
    a, b = by_stem(folder / left), by_stem(folder / right)
    for have, other, stems in ((left, right, a.keys() - b.keys()), (right, left, b.keys() - a)):
        if stems:
            raise UserInputError(
                f"{shown(folder / have)} has {len(stems)} picture(s) without a counterpart of the "
                f"same name in {other}/, first {min(stems)!r}: add or remove it."
            )
    if not a:
        raise UserInputError(f"{shown(folder / left)} holds no pictures.")
    masks = by_stem(folder / "masks" / split) or by_stem(folder / "masks")
    return tuple(
        PairFiles(f"{left}/{a[stem].name}", a[stem], b[stem], masks.get(stem)) for stem in sorted(a)
    )


def by_stem(folder: Path) -> dict[str, Path]:
    """The pictures of a folder by name without suffix; none where there is no such folder.

    Names are composed (NFC), for systems write one Hangul name in different characters.

    Raises:
        UserInputError: two pictures differ by their suffix only.
    """
    found: dict[str, Path] = {}
    for file in pictures_in(folder):
        stem = stem_of(file)
        if stem in found:
            raise UserInputError(
                f"{shown(file)} and {found[stem].name!r} have the same name: which belongs to "
                "the pair? Remove one."
            )
        found[stem] = file
    return found


def fields_in(folder: Path) -> dict[str, Path]:
    """The displacement fields of a folder by their pair's name."""
    return {stem_of(file): file for file in folder.glob("*.npz")}


def stem_of(file: Path) -> str:
    return unicodedata.normalize("NFC", file.stem)


def check_new(out: Path, option: str, here: bool = True) -> None:
    """Refuse a folder that holds something already.

    Args:
        here: whether it may be the current folder, if that is empty. One that is put in place as a
            whole cannot: not under whoever stands in it.

    Raises:
        UserInputError: so it is; the sentence names the option that names another.
    """
    held = out.exists() and (not out.is_dir() or any(out.iterdir()))
    if held or (not here and out.resolve() == Path.cwd()):
        raise UserInputError(f"{shown(out)} is there already: name a new folder with {option}.")


def pictures_in(folder: Path) -> list[Path]:
    """Picture files directly in `folder`, sorted by name; empty where there is no such folder.

    Raises:
        UserInputError: it may not be read.
    """
    if not folder.is_dir():
        return []
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if not entry.is_dir())
    except PermissionError as error:
        raise UserInputError(
            f"The folder {shown(folder)} may not be read ({error.strerror}): give yourself the "
            "right to."
        ) from error
    return [file for name in names if is_picture(file := folder / name)]


def from_manifest(file: Path) -> PairFolder:
    """Pairs named by a CSV or JSONL file; its paths are relative to its own folder.

    Raises:
        UserInputError: the file cannot be read, a row lacks `a`, or its split has another name.
    """
    splits: dict[Split, list[PairFiles]] = {}
    seen: set[str] = set()
    for number, row in enumerate(manifest_rows(file), 1):
        name, split = row.get("a"), row.get("split") or "train"
        if not isinstance(name, str) or not name:
            raise UserInputError(f"{shown(file)}, row {number}: no file named under `a`.")
        if split not in SPLITS:
            raise UserInputError(
                f"{shown(file)}, row {number}: split {split!r}; use train, val or test."
            )
        if name in seen:
            raise UserInputError(f"{shown(file)}, row {number}: {name!r} is listed twice.")
        seen.add(name)
        b, mask = (file.parent / str(row[key]) if row.get(key) else None for key in ("b", "mask"))
        splits.setdefault(split, []).append(PairFiles(name, file.parent / name, b, mask))
    if not splits:
        raise UserInputError(f"{shown(file)} lists no pairs.")
    return PairFolder(
        file.parent,
        "manifest",
        {split: tuple(splits[split]) for split in SPLITS if split in splits},
    )


def manifest_rows(file: Path) -> Iterable[Mapping[str, object]]:
    """The rows of a manifest as mappings.

    Raises:
        UserInputError: a line is not what the suffix says.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
        if file.suffix == ".csv":
            return list(csv.DictReader(io.StringIO(text, newline="")))
        rows = [json.loads(line) for line in text.split("\n") if line.strip()]
    except (OSError, UnicodeDecodeError, csv.Error, json.JSONDecodeError) as error:
        raise UserInputError(f"{shown(file)} cannot be read as a list of pairs: {error}") from error
    if not all(isinstance(row, dict) for row in rows):
        raise UserInputError(f"{shown(file)}: every line must be a JSON object with `a` and `b`.")
    return rows
