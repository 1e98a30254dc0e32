"""Which pictures a folder holds, subfolders included, and what lies there beside them."""

import os
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from harness.data.files.picture_reading import shown
from harness.errors import UserInputError

# pix2pix's own endings, and two that it does not know: .webp and .jfif (a JPEG).
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".jfif", ".webp", ".tif", ".tiff", ".bmp", ".ppm"})
# What file managers leave in every folder.
CLUTTER = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})


Remark = Callable[[str], object]
"""Takes a sentence that the user should read."""


def ignored(_: str) -> None:
    """The remark that nobody reads."""


@dataclass(frozen=True)
class Listing:
    """What a folder holds.

    Attributes:
        pictures: in the order of their paths.
        passed_over: names (`name_of`) of everything else; folders end with `/`.
    """

    pictures: tuple[Path, ...]
    passed_over: tuple[str, ...]


def is_picture(file: Path) -> bool:
    """Whether the name says so; names that begin with a dot belong to other programs."""
    return file.suffix.lower() in SUFFIXES and not file.name.startswith(".")


def name_of(path: Path, root: Path) -> str:
    """The path below `root`, `/` on every system; if it is not UTF-8, with `\\xb0` for its
    bytes."""
    return readable(path.relative_to(root).as_posix())


def readable(name: str) -> str:
    """A file's name as text that every table can hold."""
    body = os.fsencode(name)
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return body.decode("ascii", "backslashreplace")


def stem_of(path: Path, root: Path) -> str:
    """By what a picture's counterparts are found: its path below `root` without the ending.

    Composed (NFC), since systems write one Hangul name in different characters.
    """
    return unicodedata.normalize("NFC", path.relative_to(root).with_suffix("").as_posix())


def list_pictures(folder: Path, root: Path | None = None, deep: bool = True) -> Listing:
    """The pictures below `folder`; nothing where there is no such folder.

    Linked folders are entered, each folder once: a link to a folder above ends there.

    Args:
        root: what names are relative to; by default `folder`.
        deep: whether subfolders are read, as pix2pix does.

    Raises:
        UserInputError: a folder may not be read.
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
    """What to say of a folder that the system gives no access to."""
    return UserInputError(
        f"The folder {shown(str(error.filename))} cannot be read ({error.strerror}): change "
        "its permissions."
    )


def is_folder(path: Path) -> bool:
    """Whether it is a folder.

    Raises:
        UserInputError: one may not even look.
    """
    try:
        return path.is_dir()
    except PermissionError as error:
        raise unreadable(error) from error


def by_stem(folder: Path) -> dict[str, Path]:
    """The pictures below a folder by `stem_of`; none where there is no such folder.

    Raises:
        UserInputError: two pictures differ by their ending only.
    """
    return unique_stems(list_pictures(folder).pictures, folder)


def unique_stems(files: Iterable[Path], folder: Path) -> dict[str, Path]:
    """Files by `stem_of`.

    Raises:
        UserInputError: two differ by their ending only.
    """
    found: dict[str, Path] = {}
    for file in files:
        stem = stem_of(file, folder)
        if stem in found:
            raise UserInputError(
                f"{shown(file)} and {readable(found[stem].name)!r} differ only in their "
                "ending, and pictures are paired by name: remove one."
            )
        found[stem] = file
    return found


def account_of(passed_over: Iterable[str]) -> str:
    """How many of each kind were passed over, each with an example; "" where nothing was."""
    kinds: dict[str, list[str]] = defaultdict(list)
    for name in passed_over:
        kinds[kind_of(name)].append(name)
    most_first = sorted(kinds.items(), key=lambda entry: -len(entry[1]))
    counted = ", ".join(f"{len(names)} {kind} ({shown(names[0])})" for kind, names in most_first)
    return f"passed over: {counted}; supported are {', '.join(sorted(SUFFIXES))}" if counted else ""


def kind_of(name: str) -> str:
    """In a word or two, what was passed over."""
    if PurePosixPath(name).name.startswith("."):
        return "hidden"
    if name.endswith("/"):
        return "folder(s)"
    return PurePosixPath(name).suffix.lower() or "without an ending"
