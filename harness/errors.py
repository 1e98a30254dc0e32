"""Errors that a user can meet, each message one clear sentence, and text made safe to print."""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

# The words of CUDA, of its libraries, which report a failed cublasCreate as not initialised, and of
# PyTorch's allocator for the CPU.
NO_MEMORY = re.compile(
    r"out of memory|_ALLOC(ATION)?_FAILED|CUBLAS_STATUS_NOT_INITIALIZED|DefaultCPUAllocator"
)
GPU_ERROR = re.compile("(CUDA|cuDNN)( driver)? error")
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


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error, then whatever it came from, the first of them last."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def disk_full(error: BaseException) -> bool:
    """Whether an error, or what it came from, is a full disk."""
    for each in causes(error):
        if isinstance(each, OSError) and each.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        # SQLite and PyTorch raise errors of their own for it.
        if any(words in str(each) for words in FULL):
            return True
    return False


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error, or what it came from, is a lack of memory of the machine or of a GPU."""
    return any(
        isinstance(each, MemoryError)
        or type(each).__name__ == "OutOfMemoryError"
        or NO_MEMORY.search(str(each)) is not None
        for each in causes(error)
    )


def is_gpu_error(error: BaseException) -> bool:
    """Whether CUDA, or a library of it, failed otherwise than for lack of memory.

    After an illegal access or a failed assertion every further call of the process fails too.
    """
    found = any(GPU_ERROR.search(str(each)) for each in causes(error))
    return found and not is_out_of_memory(error)


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
