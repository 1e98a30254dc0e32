"""The worker process: it receives orders over a pipe, runs trials and sends messages back.

It runs many trials and ends when its driver does. It imports torch but neither Optuna nor MLflow,
and writes to no database.
"""

import contextlib
import faulthandler
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

from harness.config.settings import TrialPlan
from harness.data.files.processes import end_with_parent
from harness.errors import (
    DivergedError,
    HarnessError,
    SharedInputError,
    disk_full,
    is_gpu_error,
    is_out_of_memory,
)
from harness.trials.devices import place_of
from harness.trials.messages import (
    Answer,
    Pace,
    Rung,
    TrialResult,
    TrialRunner,
    TrialTask,
)
from reports.record.baseline import Baseline

PROGRESS_INTERVAL = 0.25  # minimum seconds between two progress messages of a preparation

RunnerFactory = Callable[[TrialPlan], TrialRunner]


@dataclass(frozen=True)
class Prepare:
    """Order: make the data that all trials of the study share."""


@dataclass(frozen=True)
class Measure:
    """Order: time a few training steps, for an estimate of the search's duration."""


@dataclass(frozen=True)
class Ready:
    """The runner has been created: the worker accepts orders.

    Attributes:
        place: identifies the machine and device; workers at the same place share its memory.
    """

    place: str = field(default="", compare=False)


@dataclass(frozen=True)
class Preparing:
    """Progress of the preparation, in optimisation steps."""

    done: int
    total: int


@dataclass(frozen=True)
class Stopped:
    """The trial ended at a rung because the driver pruned it."""


@dataclass(frozen=True)
class Diverged:
    """A loss or the score of the trial is no longer finite."""

    reason: str


@dataclass(frozen=True)
class OutOfMemory:
    """The trial needed more memory than is available."""

    reason: str


@dataclass(frozen=True)
class GpuFailed:
    """CUDA failed, after which the process cannot use the GPU any more: the worker ends."""

    reason: str


@dataclass(frozen=True)
class DiskFull:
    """The disk that the trial writes to is full."""


@dataclass(frozen=True)
class Failed:
    """The trial or the preparation raised an exception.

    Attributes:
        user_error: `reason` is a complete message for the user.
        shared: a file that all trials read is damaged, so the next trial would fail too.
    """

    reason: str
    traceback: str
    user_error: bool = False
    shared: bool = False


Message = (
    Ready
    | Pace
    | Preparing
    | Baseline
    | Rung
    | TrialResult
    | Stopped
    | Diverged
    | OutOfMemory
    | GpuFailed
    | DiskFull
    | Failed
)

Order = Measure | Prepare | TrialTask | Answer


class Pipe(Protocol):
    """A worker's connection to its driver."""

    def send(self, message: Message, /) -> None: ...

    def recv(self) -> Any: ...


def trial_runner(plan: TrialPlan) -> TrialRunner:
    """The default `RunnerFactory`. Imports here, since only worker processes need torch."""
    from harness.trials.trial import make_runner

    return make_runner(plan)


def serve(
    pipe: Connection,
    factory: RunnerFactory,
    plan: TrialPlan,
    log: Path,
    environment: Mapping[str, str],
) -> None:
    """Entry point of a worker process.

    Args:
        environment: the driver's environment variables; the fork server's may be out of date.
    """
    os.environ.clear()
    os.environ.update(environment)
    limit_spinning()
    die_with_parent()
    end_with_parent()  # for systems other than Linux, and in case the driver has already ended
    discard_output(log)
    run_orders(pipe, factory, plan)


def run_orders(pipe: Pipe, factory: RunnerFactory, plan: TrialPlan) -> None:
    """Create the runner, then execute orders until None is received."""
    # A broken pipe means that the driver has ended, so nobody reads an error message.
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        try:
            runner = factory(plan)
        except Exception as error:
            pipe.send(message_for(error))
            return
        pipe.send(Ready(place_of(plan.device)))
        while (order := pipe.recv()) is not None:
            message = execute(order, runner, pipe)
            pipe.send(message)
            if isinstance(message, GpuFailed):
                return


def execute(order: Measure | Prepare | TrialTask, runner: TrialRunner, pipe: Pipe) -> Message:
    """Execute one order; an exception is returned as a message."""

    last_sent = 0.0

    def on_progress(done: int, total: int) -> None:
        # A full pipe blocks until the driver reads it, so messages are sent at intervals only.
        nonlocal last_sent
        if done == total or time.monotonic() - last_sent > PROGRESS_INTERVAL:
            last_sent = time.monotonic()
            pipe.send(Preparing(done, total))

    def report(rung: Rung) -> Answer:
        pipe.send(rung)
        return Answer(pipe.recv())

    if isinstance(order, Measure):
        # A missing estimate is no reason to fail; a real fault shows in the preparation or a trial.
        with contextlib.suppress(Exception):
            return runner.measure()
        return Pace()
    try:
        if isinstance(order, Prepare):
            return runner.prepare(on_progress)
        return runner.run(order, report) or Stopped()
    except (EOFError, BrokenPipeError, ConnectionResetError):
        raise
    except Exception as error:
        return message_for(error)


def message_for(error: Exception) -> Diverged | OutOfMemory | GpuFailed | DiskFull | Failed:
    """The message to the driver that reports an exception."""
    if isinstance(error, DivergedError):
        return Diverged(str(error))
    if disk_full(error):
        return DiskFull()
    if is_out_of_memory(error):
        return OutOfMemory(one_line(error))
    if is_gpu_error(error):
        return GpuFailed(one_line(error))
    return Failed(
        reason=str(error) if isinstance(error, HarnessError) else one_line(error),
        traceback="".join(traceback.format_exception(error)),
        user_error=isinstance(error, HarnessError) and error.exit_code == 2,
        shared=isinstance(error, SharedInputError),
    )


def one_line(error: Exception) -> str:
    """The type of an exception and the first line of its message."""
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"


def discard_output(log: Path) -> None:
    """Redirect stdout and stderr to the null device, since the terminal belongs to the driver.

    Exceptions are sent over the pipe; after a crash the stack trace is in `log`.
    """
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    os.close(null)
    faulthandler.enable(log.open("a"))


def limit_spinning() -> None:
    """Limit the busy waiting of torch's threads. Call it before torch is imported.

    On a busy machine a spinning thread takes the core that the thread it waits for needs.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")


def die_with_parent() -> None:
    """Have Linux kill this process when its parent ends."""
    if sys.platform == "linux":
        import ctypes

        libc: Any = ctypes.CDLL(None)
        pr_set_pdeathsig = 1
        libc.prctl(pr_set_pdeathsig, signal.SIGKILL)
