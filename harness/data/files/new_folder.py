"""New folders of pictures, each created atomically and by one process only."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import UserInputError, inline
from harness.paths import sole_writer


@contextmanager
def new_folder(out: Path, option: str) -> Iterator[Path]:
    """Yield a temporary folder beside `out`, and rename it to `out` if the block succeeds.

    Args:
        option: the option that chooses `out`, for messages.

    Raises:
        UserInputError: `out` is not a new folder, another process is making it, or it cannot be
            written. Nothing stays behind.
    """
    check_new(out, option)
    aside = out.with_name(f".{out.name}.making")
    lock = aside.with_name(f"{aside.name}.lock")
    try:
        with sole_writer(out, lock, "writing pairs", option):
            check_new(out, option)  # another process may have made it just now
            shutil.rmtree(aside, ignore_errors=True)  # left by a killed process
            if out.exists():
                out.rmdir()  # if a folder cannot be replaced, fail now and not after the work
            try:
                aside.mkdir()
                yield aside
                aside.rename(out)
            finally:
                shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        raise UserInputError(
            f"{inline(out)} cannot be written ({error.strerror}): name another folder with "
            f"{option}."
        ) from error


def check_new(out: Path, option: str) -> None:
    """Refuse an output folder that is not empty, or the current one, which cannot be replaced.

    Raises:
        UserInputError: it is refused; the message names the option that chooses another.
    """
    occupied = out.exists() and (not out.is_dir() or any(out.iterdir()))
    if occupied or out.resolve() == Path.cwd():
        raise UserInputError(f"{inline(out)} exists already: name a new folder with {option}.")
