"""The cache of prepared data, with names that are digests and equal on every machine."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from harness.data.files.bit_depth import WIDEST
from harness.data.files.pair_folders import PairFolder
from harness.data.files.picture_reading import refuse_special
from harness.errors import UserInputError
from harness.paths import why_not_writable


def default_cache() -> Path:
    """`HARNESS_CACHE`, or the user's cache folder.

    Raises:
        UserInputError: the user has no home folder.
    """
    if chosen := os.environ.get("HARNESS_CACHE"):
        return Path(chosen)
    system = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    try:
        return (Path(system) if system else Path.home() / ".cache") / "pix2pix-blur-harness"
    except RuntimeError as error:
        raise UserInputError(
            "There is no home folder to store prepared pairs in: name a folder for them in the "
            "environment variable HARNESS_CACHE."
        ) from error


def writable_cache() -> Path:
    """Like `default_cache`, but checks that it can be written.

    Raises:
        UserInputError: it cannot be written, or does not exist.
    """
    folder = default_cache()
    if why := why_not_writable(folder):
        raise UserInputError(
            f"The cache {folder} cannot be written ({why}): name another folder in the environment "
            "variable HARNESS_CACHE."
        )
    return folder


def fingerprints(folder: PairFolder) -> Iterable[str]:
    """Strings that identify split, name and content of every file that is read, in fixed order."""
    for split, pairs in folder.splits.items():
        for pair in pairs:
            from_list = folder.layout == "manifest"
            # Not the name, in which bytes that are not UTF-8 are escaped.
            path = pair.name if from_list else pair.a.relative_to(folder.root).as_posix()
            yield f"{split}\n{path}"
            if pair.bits != WIDEST:
                yield f"{pair.bits} bits"
            fields = () if pair.field is None or split == "train" else (pair.field,)
            for file in pair.files + fields:
                try:
                    refuse_special(file)
                    with file.open("rb") as opened:
                        yield hashlib.file_digest(opened, "sha256").hexdigest()
                except (OSError, UserInputError) as error:
                    yield f"unreadable: {type(error).__name__}"


def digest_of(*parts: Iterable[str]) -> str:
    """A digest of all strings, 32 hexadecimal digits."""
    total = hashlib.sha256()
    for texts in parts:
        for text in texts:
            total.update(hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest())
    return total.hexdigest()[:32]


def stamp(file: Path) -> str:
    """A string that changes when the file does: path, size and modification time."""
    try:
        status = file.stat()
    except OSError as error:
        return f"{file.absolute()}\n{type(error).__name__}"
    return f"{file.absolute()}\n{status.st_size}\n{status.st_mtime_ns}"
