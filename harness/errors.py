"""Errors for the user, each message one clear sentence, and escaping of text for the terminal."""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

# Messages of CUDA and its libraries (cuBLAS reports a failed cublasCreate as not initialised), and
# of PyTorch's CPU allocator.
OUT_OF_MEMORY = re.compile(
    r"out of memory|_ALLOC(ATION)?_FAILED|CUBLAS_STATUS_NOT_INITIALIZED|DefaultCPUAllocator"
)
GPU_ERROR = re.compile("(CUDA|cuDNN)( driver)? error")
# What SQLite, and PyTorch while it saves a file, say if the disk is full.
DISK_FULL = (
    "database or disk is full",
    "PytorchStreamWriter failed writing",
    ". unexpected pos ",
    "iostream error",
)


class HarnessError(Exception):
    """A failure with a known cause; `exit_code` is the exit code of the command."""

    exit_code = 1


class UserInputError(HarnessError):
    """The user's input cannot be used. Nothing has been written."""

    exit_code = 2


class SharedInputError(UserInputError):
    """A file that every trial of a study reads is missing or damaged; no trial caused it."""


class NonFiniteWeightsError(UserInputError):
    """A checkpoint contains NaN or infinity: the training that saved it had diverged."""


class SearchFailedError(HarnessError):
    """The search ended because all of its trials failed."""

    exit_code = 3


class DivergedError(HarnessError):
    """A loss or score is no longer finite; the message has the latest losses."""


@contextmanager
def as_user_input_error(*types: type[Exception]) -> Iterator[None]:
    """Re-raise exceptions of these types as `UserInputError`; their messages are fit for the user.

    Raises:
        UserInputError: with the message of the exception.
    """
    try:
        yield
    except types as error:
        raise UserInputError(str(error)) from error


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """An exception, then its causes, the original one last."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def disk_full(error: BaseException) -> bool:
    """Whether an exception, or one of its causes, is due to a full disk."""
    for each in causes(error):
        if isinstance(each, OSError) and each.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        # SQLite and PyTorch raise their own types for it.
        if any(message in str(each) for message in DISK_FULL):
            return True
    return False


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception, or one of its causes, is due to a lack of CPU or GPU memory."""
    return any(
        isinstance(each, MemoryError)
        or type(each).__name__ == "OutOfMemoryError"
        or OUT_OF_MEMORY.search(str(each)) is not None
        for each in causes(error)
    )


def is_gpu_error(error: BaseException) -> bool:
    """Whether CUDA, or one of its libraries, failed for a reason other than lack of memory.

    After an illegal access or a failed assertion, every further CUDA call of the process fails too.
    A `HarnessError` does not count: it may quote the CUDA error of an external program.
    """
    if isinstance(error, HarnessError):
        return False
    is_cuda_error = any(GPU_ERROR.search(str(each)) for each in causes(error))
    return is_cuda_error and not is_out_of_memory(error)


def full_disk() -> OSError:
    """The exception for a full disk that another process reported."""
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def quantity(count: int, noun: str) -> str:
    """A count with its noun: `1 pair`, `12 pairs`; for packages that must not import `reports`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


# Control characters except tab and newline, line separators, bidirectional controls, and lone
# surrogates (bytes of file names that are not UTF-8), which cannot be encoded.
UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def printable(text: object) -> str:
    """The text with all characters that could control a terminal escaped: `\\x1b`."""
    return UNSAFE.sub(lambda match: match[0].encode("unicode_escape").decode(), str(text))


def inline(text: object) -> str:
    """Like `printable`, for use within a line: newlines are escaped too."""
    return printable(text).replace("\n", "\\n")
