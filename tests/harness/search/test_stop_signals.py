"""Signals: what asks for an orderly stop, and what ends the process at once."""

import fcntl
import os
import pty
import signal
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from driving import Instant, make_plan
from searching import Heard

import harness.search.search
from harness.console.events import Stopping
from harness.console.signals import (
    SECOND_AFTER,
    STOP_SIGNALS,
    STOPPED_BY_USER,
    interrupt,
    stopping_on_signals,
)
from harness.search.result import StopReason
from harness.search.stop_signals import StopSwitch


class ExitedError(Exception):
    """In place of the end of the test's own process."""


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """One entry: the time."""
    now = [100.0]

    def leave(code: int) -> None:
        raise ExitedError(code)

    monkeypatch.setattr("harness.console.signals.time.monotonic", lambda: now[0])
    monkeypatch.setattr("harness.console.signals.os._exit", leave)
    return now


def test_one_request_that_comes_as_several_signals_stops_in_order(
    clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """GNU `timeout` signals its child, and 2 ms later its whole group."""
    stop, discarded = StopSwitch(None), []
    monkeypatch.setattr(
        "harness.console.signals.discard_unread", lambda: discarded.append(clock[0])
    )
    before = [signal.getsignal(each) for each in STOP_SIGNALS]
    with stop.on_signals():
        for later in (0.0, 0.002, SECOND_AFTER - 0.01):
            clock[0] = 100.0 + later
            os.kill(os.getpid(), signal.SIGTERM)
            assert stop()
    assert stop.reason == "user"
    assert [signal.getsignal(each) for each in STOP_SIGNALS] == before
    # By the end, the signal has ended a reader of the output that was still there at first.
    assert discarded == [100.0, clock[0]]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_request_ends_the_process_at_once(clock: list[float], number: int) -> None:
    stop = StopSwitch(None)
    with stop.on_signals():
        os.kill(os.getpid(), signal.SIGINT)
        assert stop()
        clock[0] += SECOND_AFTER + 0.01
        with pytest.raises(ExitedError, match=str(STOPPED_BY_USER)):
            os.kill(os.getpid(), number)


def test_a_second_signal_is_ignored_while_the_command_ends(clock: list[float]) -> None:
    earlier = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    try:
        with (
            pytest.raises(KeyboardInterrupt),
            stopping_on_signals(interrupt, to_the_end=True),
        ):
            os.kill(os.getpid(), signal.SIGINT)
        for number in STOP_SIGNALS:
            os.kill(os.getpid(), number)
        clock[0] += SECOND_AFTER + 0.01
        with pytest.raises(ExitedError, match=str(STOPPED_BY_USER)):
            os.kill(os.getpid(), signal.SIGINT)
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


def test_a_signal_after_the_time_limit_is_the_first(clock: list[float]) -> None:
    stop = StopSwitch(timeout=5)
    clock[0] += 6
    assert stop()
    assert stop.reason == "timeout"
    with stop.on_signals():
        os.kill(os.getpid(), signal.SIGINT)
    assert stop.reason == "user"


def test_a_closed_terminal_stops_in_order(clock: list[float]) -> None:
    stop = StopSwitch(None)
    with stop.on_signals():
        os.kill(os.getpid(), signal.SIGHUP)
        assert stop()
    assert stop.reason == "user"


# How a search ended is printed after whoever read its output may be gone.
STOPPED = """
import sys, time
from harness.search.stop_signals import StopSwitch
stop = StopSwitch(None)
with stop.on_signals():
    print("begun", flush=True)
    while not stop():
        time.sleep(0.01)
    print("stopped", flush=True)
print("kept", file=sys.stderr, flush=True)
"""


def test_what_is_printed_to_a_closed_terminal_is_no_error() -> None:
    ours, its = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", STOPPED],
        stdin=its,
        stdout=its,
        stderr=its,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    ) as process:
        os.close(its)
        with open(ours, "rb", buffering=0) as terminal:
            assert terminal.readline() == b"begun\r\n"
        assert process.wait(timeout=60) == 0


def test_what_is_printed_to_a_program_that_ctrl_c_ended_is_no_error() -> None:
    """`harness search | tee log`."""
    with subprocess.Popen(
        [sys.executable, "-c", STOPPED], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"begun\n"
        process.stdout.close()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0
        assert process.stderr.read() == b"kept\n"


def test_a_library_that_swallows_exceptions_while_it_is_imported_does_not_go_on(
    tmp_path: Path,
) -> None:
    """As torch's import of numpy: after Ctrl-C numpy was half imported, a fault of the program."""
    (tmp_path / "library.py").write_text(
        "import os, signal\n"
        "try:\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "except BaseException:\n"
        "    print('swallowed')\n"
    )
    code = (
        "from harness.console.signals import stopping_on_signals, interrupt\n"
        "with stopping_on_signals(interrupt):\n"
        "    import library\n"
    )
    path = os.pathsep.join([str(tmp_path), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (STOPPED_BY_USER, "", "")


def test_under_nohup_a_closed_terminal_stops_nothing(clock: list[float]) -> None:
    earlier = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        stop = StopSwitch(None)
        with stop.on_signals():
            os.kill(os.getpid(), signal.SIGHUP)
            assert not stop()
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, earlier)


@pytest.mark.usefixtures("unmirrored")
@pytest.mark.parametrize("reason", ["user", "timeout"])
def test_a_search_says_that_it_stops_before_it_cleans_up(
    tmp_path: Path, reason: StopReason
) -> None:
    stop = StopSwitch(None)
    view = Heard(stop)
    stop.reason = reason
    harness.search.search.run_search(make_plan(tmp_path, budget=3), view, stop, Instant)
    [stopping] = [event for event in view.events if isinstance(event, Stopping)]
    assert stopping.why.startswith({"user": "Stopping", "timeout": "The time is up"}[reason])
