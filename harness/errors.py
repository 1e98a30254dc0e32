"""Errors that a user can meet, each message one clear sentence, and text made safe to print."""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

FULL = ("database or disk is full", "PytorchStreamWriter failed writing")


class HarnessError(Exception):
    """Any failure with a known cause; `exit_code` is what the command line returns for it."""

    exit_code = 1


class UserInputError(HarnessError):
    """The user's input cannot be used. Nothing has been written."""

    exit_code = 2


class SharedInputError(UserInputError):
    """What every trial of a study reads is gone or damaged; no trial is to blame."""


class NonFiniteWeightsError(UserInputError):
    """A checkpoint holds NaN or an infinity: the training that saved it had diverged."""


class SearchFailedError(HarnessError):
    """The search ended because its trials only failed."""

    exit_code = 3


class DivergedError(HarnessError):
    """A loss or score stopped being finite; the message holds the losses that led there."""


@contextmanager
def for_the_user(*kinds: type[Exception]) -> Iterator[None]:
    """Errors of these kinds say already what the user is to know: let them be the user's.

    Raises:
        UserInputError: one was raised; it says the same.
    """
    try:
        yield
    except kinds as error:
        raise UserInputError(str(error)) from error


def disk_full(error: BaseException | None) -> bool:
    """Whether an error, or what it came from, is a full disk."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        # SQLite and PyTorch raise errors of their own for it.
        if any(words in str(error) for words in FULL):
            return True
        error = error.__cause__ or error.__context__
    return False


def full_disk() -> OSError:
    """The error of a full disk, where it was met by another process."""
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


# Control characters but tab and newline, line separators, what turns the direction of text, and
# bytes of a file's name that are no UTF-8, which cannot be written at all.
COMMANDS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def printable(text: object) -> str:
    """A text with everything that would command a terminal written as its escape: `\\x1b`."""
    return COMMANDS.sub(lambda found: found[0].encode("unicode_escape").decode(), str(text))


def on_one_line(text: object) -> str:
    """As `printable`, newlines too."""
    return printable(text).replace("\n", "\\n")
