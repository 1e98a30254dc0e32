"""A worker's side of the pipe: it asks for nothing, runs what it is told to, and tells.

It imports torch only, lives across trials, writes to no database, and ends with its driver.
"""

import contextlib
import faulthandler
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing import connection, parent_process
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

from harness.config.settings import TrialPlan
from harness.errors import DivergedError, HarnessError, SharedInputError, disk_full
from harness.trials.messages import Baseline, Rung, TrialResult, TrialRunner, TrialTask

TELL_EVERY = 0.25  # seconds between two words on a preparation's progress

RunnerFactory = Callable[[TrialPlan], TrialRunner]


@dataclass(frozen=True)
class Prepare:
    """Order: make what the study's trials share."""


@dataclass(frozen=True)
class Ready:
    """The runner stands: the worker takes orders."""


@dataclass(frozen=True)
class Preparing:
    """How far the preparation is, in optimisation steps."""

    done: int
    total: int


@dataclass(frozen=True)
class Stopped:
    """The trial ended where the driver said so."""


@dataclass(frozen=True)
class Diverged:
    """The trial's losses or score stopped being finite."""

    reason: str


@dataclass(frozen=True)
class OutOfMemory:
    """The trial asked for more memory than there is."""

    reason: str


@dataclass(frozen=True)
class DiskFull:
    """There is no room left for what the trial writes."""


@dataclass(frozen=True)
class Failed:
    """The trial or the preparation raised.

    Attributes:
        user_error: the reason is a sentence for the user as it is.
        shared: what every trial reads is damaged, so that the next one would fail as well.
    """

    reason: str
    traceback: str
    user_error: bool = False
    shared: bool = False


Message = (
    Ready
    | Preparing
    | Baseline
    | Rung
    | TrialResult
    | Stopped
    | Diverged
    | OutOfMemory
    | DiskFull
    | Failed
)


class Pipe(Protocol):
    """A worker's way to its driver."""

    def send(self, word: Message, /) -> None: ...

    def recv(self) -> Any: ...


def trial_runner(plan: TrialPlan) -> TrialRunner:
    """The real runner. The import is here because torch belongs to the worker's process."""
    from harness.trials.trial import make_runner

    return make_runner(plan)


def serve(
    pipe: Connection,
    factory: RunnerFactory,
    plan: TrialPlan,
    log: Path,
    environment: Mapping[str, str],
) -> None:
    """A worker process's whole life.

    Args:
        environment: the driver's; the process that this one is forked from may have an older one.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the driver's to handle
    os.environ.clear()
    os.environ.update(environment)
    spin_shortly()
    end_with_driver()
    silence(log)
    obey(pipe, factory, plan)


def obey(pipe: Pipe, factory: RunnerFactory, plan: TrialPlan) -> None:
    """Make the runner, then carry out orders until None comes."""
    # A pipe that broke means that the driver is gone: nobody is left to tell.
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        try:
            runner = factory(plan)
        except Exception as error:
            pipe.send(answer_to(error))
            return
        pipe.send(Ready())
        while (order := pipe.recv()) is not None:
            pipe.send(carry_out(order, runner, pipe))


def carry_out(order: Prepare | TrialTask, runner: TrialRunner, pipe: Pipe) -> Message:
    """Do one order; whatever goes wrong in it becomes its answer."""

    last_told = 0.0

    def tell(done: int, total: int) -> None:
        # The pipe holds little, and the driver may be busy: a worker must not wait for it here.
        nonlocal last_told
        if done == total or time.monotonic() - last_told > TELL_EVERY:
            last_told = time.monotonic()
            pipe.send(Preparing(done, total))

    def report(rung: Rung) -> bool:
        pipe.send(rung)
        return bool(pipe.recv())

    try:
        if isinstance(order, Prepare):
            return runner.prepare(tell)
        return runner.run(order, report) or Stopped()
    except (EOFError, BrokenPipeError, ConnectionResetError):
        raise
    except Exception as error:
        return answer_to(error)


def answer_to(error: Exception) -> Diverged | OutOfMemory | DiskFull | Failed:
    """What the driver is told of an error."""
    if isinstance(error, DivergedError):
        return Diverged(str(error))
    if disk_full(error):
        return DiskFull()
    if is_out_of_memory(error):
        return OutOfMemory(one_line(error))
    return Failed(
        reason=str(error) if isinstance(error, HarnessError) else one_line(error),
        traceback="".join(traceback.format_exception(error)),
        user_error=isinstance(error, HarnessError) and error.exit_code == 2,
        shared=isinstance(error, SharedInputError),
    )


def one_line(error: Exception) -> str:
    """An error's type and the first line of what it says."""
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"


def is_out_of_memory(error: Exception) -> bool:
    """True for Python's own error, CUDA's, and PyTorch's allocator on the CPU."""
    said = str(error)
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or "DefaultCPUAllocator" in said
        or "CUDA out of memory" in said
    )


def silence(log: Path) -> None:
    """Send what a trial prints nowhere: the terminal is the driver's.

    Python's own errors travel over the pipe; the stack of a crash cannot, and goes to `log`.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    faulthandler.enable(log.open("a"))


def spin_shortly() -> None:
    """Torch's threads spin while they wait for one another: on a busy machine that takes the very
    core that the other one needs. Read when torch loads.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")


def die_with_parent() -> None:
    """Let Linux end this process when the one that started it ends."""
    if sys.platform == "linux":
        import ctypes

        libc: Any = ctypes.CDLL(None)
        pr_set_pdeathsig = 1
        libc.prctl(pr_set_pdeathsig, signal.SIGKILL)


def end_with_driver() -> None:
    """See to it that this process ends when the driver does, however that ends."""
    die_with_parent()
    driver = parent_process()
    assert driver is not None

    def watch() -> None:
        # Where there is no such signal, and where the driver died before it was asked for.
        connection.wait([driver.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
