"""List the pictures of a folder and its subfolders, and the entries that are not pictures."""

import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path, PurePosixPath

from harness.errors import UserInputError, inline, quantity

# pix2pix's own suffixes, and two that it does not know: .webp and .jfif (a JPEG).
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".jfif", ".webp", ".tif", ".tiff", ".bmp", ".ppm"})
# Files that file managers create in every folder.
CLUTTER = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
FOLDER = "folder"
# A name, and its last word; a number at the end counts pictures.
LAST_WORD = re.compile(r"(.+)([ _.-][^\W\d_]+)")

Remark = Callable[[str], object]
"""Callback that shows the user one sentence."""


def no_remark(_: str) -> None:
    """A `Remark` that discards the sentence."""


@dataclass(frozen=True)
class Listing:
    """The content of a folder.

    Attributes:
        pictures: sorted by path.
        passed_over: names (`name_of`) of all other entries; folders end with `/`.
    """

    pictures: tuple[Path, ...]
    passed_over: tuple[str, ...]


def is_picture(file: Path) -> bool:
    """Whether the file has a picture's suffix and is not hidden (no leading dot)."""
    return file.suffix.lower() in SUFFIXES and not file.name.startswith(".")


def name_of(path: Path, root: Path) -> str:
    """The path relative to `root`, with `/` on every system; bytes that are not UTF-8 are
    escaped, as `\\xb0`."""
    return readable(path.relative_to(root).as_posix())


def readable(name: str) -> str:
    """A file name as valid Unicode text."""
    body = os.fsencode(name)
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return body.decode("ascii", "backslashreplace")


def stem_of(path: Path, root: Path) -> str:
    """The key that matches a picture with its counterparts: its relative path without suffix.

    Normalised to NFC, since systems encode the same Hangul name differently.
    """
    return unicodedata.normalize("NFC", path.relative_to(root).with_suffix("").as_posix())


def list_pictures(folder: Path, root: Path | None = None, deep: bool = True) -> Listing:
    """The pictures below `folder`; an empty listing if the folder does not exist.

    Links to folders are followed, but each folder is read only once, so cycles end.

    Args:
        root: the folder that names are relative to; by default `folder`.
        deep: whether to read subfolders, as pix2pix does.

    Raises:
        UserInputError: a folder cannot be read.
    """
    root = folder if root is None else root
    pictures: list[Path] = []
    passed_over: list[str] = []
    seen = {os.path.realpath(folder)}
    for parent, folders, files in os.walk(folder, onerror=refuse, followlinks=True):
        here = Path(parent)
        entered = []
        for name in sorted(folders):
            real = os.path.realpath(here / name)
            if deep and not name.startswith(".") and real not in seen:
                seen.add(real)
                entered.append(name)
            else:
                passed_over.append(f"{name_of(here / name, root)}/")
        folders[:] = entered
        for name in files:
            file = here / name
            if is_picture(file):
                pictures.append(file)
            elif name not in CLUTTER:
                passed_over.append(name_of(file, root))
    return Listing(
        tuple(sorted(pictures, key=lambda file: file.relative_to(folder).as_posix())),
        tuple(sorted(passed_over)),
    )


def refuse(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise unreadable(error) from error


def unreadable(error: OSError) -> UserInputError:
    """The error for a folder without read permission."""
    return UserInputError(
        f"The folder {inline(str(error.filename))} cannot be read ({error.strerror}): change "
        "its permissions."
    )


def is_folder(path: Path) -> bool:
    """Whether `path` is a folder.

    Raises:
        UserInputError: permission denied.
    """
    try:
        return path.is_dir()
    except PermissionError as error:
        raise unreadable(error) from error


def by_stem(files: Iterable[Path], folder: Path) -> dict[str, list[Path]]:
    """Files by `stem_of`; several of one stem are twins, which differ in their suffix only."""
    found: dict[str, list[Path]] = defaultdict(list)
    for file in files:
        found[stem_of(file, folder)].append(file)
    return dict(found)


def unique_stems(files: Iterable[Path], folder: Path) -> dict[str, Path]:
    """Files by `stem_of`.

    Raises:
        UserInputError: two differ in their suffix only.
    """
    found = by_stem(files, folder)
    for same in found.values():
        refuse_twins(same)
    return firsts(found)


def firsts(found: Mapping[str, Sequence[Path]]) -> dict[str, Path]:
    """The first file of each stem."""
    return {stem: files[0] for stem, files in found.items()}


def refuse_twins(files: Sequence[Path]) -> None:
    """Raise a UserInputError if there are several files, which differ in their suffix only."""
    if len(files) > 1:
        raise UserInputError(
            f"{inline(files[1])} and {readable(files[0].name)!r} differ only in their ending, and "
            "pictures are paired by name: remove one."
        )


def names_that_pair(stems: Collection[str]) -> tuple[str, str] | None:
    """The first two names that differ in a last word only, as `x_after` and `x_before`, or `x` and
    `x-edit`, if most have such a counterpart by the same words; else None."""
    bases: dict[str, set[str]] = {"": set(stems)}
    for stem in stems:
        if found := LAST_WORD.fullmatch(stem):
            bases.setdefault(found[2], set()).add(found[1])
    frequent = sorted(ending for ending, of in bases.items() if 4 * len(of) > len(stems))
    for one, other in combinations(frequent, 2):
        both = bases[one] & bases[other]
        if 4 * len(both) > len(stems):
            return min(both) + one, min(both) + other
    return None


def account_of(passed_over: Iterable[str]) -> str:
    """For the user: how many entries of each kind were passed over, with examples; "" if none."""
    kinds: dict[str, list[str]] = defaultdict(list)
    for name in passed_over:
        kinds[kind_of(name)].append(name)
    most_first = sorted(kinds.items(), key=lambda entry: -len(entry[1]))
    found = ", ".join(
        f"{quantity(len(names), kind) if kind == FOLDER else f'{len(names)} {kind}'} "
        f"({inline(names[0])})"
        for kind, names in most_first
    )
    return f"passed over: {found}; supported are {', '.join(sorted(SUFFIXES))}" if found else ""


def kind_of(name: str) -> str:
    """The kind of an entry that was passed over, in a word or two."""
    if PurePosixPath(name).name.startswith("."):
        return "hidden"
    if name.endswith("/"):
        return FOLDER
    return PurePosixPath(name).suffix.lower() or "without an ending"
