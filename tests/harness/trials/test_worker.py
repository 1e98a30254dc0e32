"""Messages of a worker whose creation or whose order fails."""

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from driving import Instant, make_plan

from harness.config.settings import TrialPlan
from harness.errors import DivergedError, HarnessError, SharedInputError, UserInputError
from harness.paths import StudyPaths
from harness.trials.devices import place_of
from harness.trials.messages import Baseline, ProgressCallback
from harness.trials.trial import Trials
from harness.trials.worker import (
    DiskFull,
    Diverged,
    Failed,
    GpuFailed,
    Message,
    OutOfMemory,
    Prepare,
    Preparing,
    Ready,
    execute,
    run_orders,
)


class Pipe:
    """Gives one order and records the messages."""

    def __init__(self) -> None:
        self.orders: list[Any] = [Prepare(), None]
        self.sent: list[Message] = []

    def send(self, message: Message, /) -> None:
        self.sent.append(message)

    def recv(self) -> Any:
        return self.orders.pop(0)


def after(error: Exception, first: Exception) -> Exception:
    """An error raised while the first was handled."""
    error.__context__ = first
    return error


NO_MEMORY = (
    "CUDA out of memory",
    "CUDA error: out of memory",
    "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    "CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`",
    "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
    "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
)
GPU_ERRORS = (
    "CUDA error: an illegal memory access was encountered",
    "CUDA error: device-side assert triggered",
    "CUDA error: unspecified launch failure",
    "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED",
)
CAPTURE = "CUDA error: operation failed due to a previous error during capture"
ERRORS: tuple[tuple[Exception, Message], ...] = (
    (DivergedError("a loss is nan"), Diverged("a loss is nan")),
    (MemoryError("16 GiB"), OutOfMemory("MemoryError: 16 GiB")),
    *((RuntimeError(text), OutOfMemory(f"RuntimeError: {text}")) for text in NO_MEMORY),
    *((RuntimeError(text), GpuFailed(f"RuntimeError: {text}")) for text in GPU_ERRORS),
    (after(RuntimeError(CAPTURE), MemoryError()), OutOfMemory(f"RuntimeError: {CAPTURE}")),
    (OSError(errno.ENOSPC, "No space left"), DiskFull()),
    (OSError(errno.EDQUOT, "Disk quota exceeded"), DiskFull()),
    (ValueError("bad\nand more"), Failed("ValueError: bad", "")),
    (HarnessError("a known fault"), Failed("a known fault", "")),
    (HarnessError(f"train.py: {GPU_ERRORS[0]}"), Failed(f"train.py: {GPU_ERRORS[0]}", "")),
    (UserInputError("it does not fit"), Failed("it does not fit", "", user_error=True)),
    (SharedInputError("gone"), Failed("gone", "", user_error=True, shared=True)),
)  # fmt: skip


def without_traceback(message: Message) -> Message:
    if isinstance(message, Failed):
        assert message.reason.split(": ")[-1] in message.traceback
        return Failed(message.reason, "", message.user_error, message.shared)
    return message


@pytest.mark.parametrize(("raised", "answer"), ERRORS, ids=lambda each: type(each).__name__)
def test_an_exception_gives_the_same_message_wherever_it_is_raised(
    tmp_path: Path, raised: Exception, answer: Message
) -> None:
    class Raising(Instant):
        def prepare(self, on_progress: ProgressCallback) -> Baseline:
            raise raised

    def unmade(plan: TrialPlan) -> Instant:
        raise raised

    plan, started, prepared = make_plan(tmp_path).trial_plan, Pipe(), Pipe()
    run_orders(started, unmade, plan)
    assert list(map(without_traceback, started.sent)) == [answer]
    run_orders(prepared, Raising, plan)
    assert list(map(without_traceback, prepared.sent)) == [Ready(), answer]
    (ready, _) = prepared.sent
    assert isinstance(ready, Ready)
    assert ready.place == place_of("cpu")
    # A process whose CUDA failed takes no further order.
    assert bool(prepared.orders) == isinstance(answer, GpuFailed)


def test_progress_is_sent_now_and_then_and_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter([100.0, 100.1, 100.2, 100.3, 100.4, 100.41])
    now = 0.0
    monkeypatch.setattr("harness.trials.worker.time.monotonic", lambda: now)

    class Stepping(Instant):
        def prepare(self, on_progress: ProgressCallback) -> Baseline:
            nonlocal now
            for done, time in enumerate(times, 1):
                now = time
                on_progress(done, 6)
            return Baseline(noop=0.2, warm_start=None, oracle=None, held_out_noop=None)

    pipe = Pipe()
    execute(Prepare(), Stepping(make_plan(tmp_path).trial_plan), pipe)
    assert pipe.sent == [Preparing(done, 6) for done in (1, 4, 6)]


def test_a_crash_leaves_its_stack_in_the_log_and_nothing_on_the_terminal(tmp_path: Path) -> None:
    code = (
        "import ctypes, os, pathlib, sys\n"
        "from harness.trials.worker import discard_output, limit_spinning\n"
        "limit_spinning()\n"
        "assert os.environ['GOMP_SPINCOUNT'] == '20000'\n"
        "discard_output(pathlib.Path('driver.log'))\n"
        "print('to the terminal')\n"
        "os.write(2, b'to the terminal')\n"
        "ctypes.string_at(0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGSEGV, b"", b"")
    assert "Segmentation fault" in (tmp_path / "driver.log").read_text()


@pytest.mark.parametrize("damage", [Path.unlink, lambda file: file.write_bytes(b"PK half of it")])
def test_an_unreadable_warm_start_is_a_shared_input_error(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    trials = Trials.__new__(Trials)
    trials.plan, trials.paths = make_plan(tmp_path).trial_plan, StudyPaths(tmp_path)
    trials.warm_starts = {}
    file = trials.paths.warm_start.generator
    file.parent.mkdir(parents=True)
    file.touch()
    damage(file)

    class Reading(Instant):
        def prepare(self, on_progress: ProgressCallback) -> Baseline:
            assert trials.warm_start(trials.plan.train.netG)
            return super().prepare(on_progress)

    answer = execute(Prepare(), Reading(trials.plan), Pipe())
    assert isinstance(answer, Failed)
    assert answer.shared
    assert "run the same command again" in answer.reason
