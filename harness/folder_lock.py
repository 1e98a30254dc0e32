"""A folder that one process at a time writes to."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from harness.errors import UserInputError


@contextmanager
def sole_writer(folder: Path, lock: Path, doing: str) -> Iterator[None]:
    """Make the folder and hold its lock, which goes with the process, however that ends.

    Args:
        lock: a file in the folder; it stays there.
        doing: what is done there, such as "training".

    Raises:
        UserInputError: another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(lock, timeout=0):
            yield
    except Timeout:
        raise UserInputError(
            f"Another process is {doing} in {folder}: wait for it, stop it, or choose another "
            "folder with --out DIR."
        ) from None
