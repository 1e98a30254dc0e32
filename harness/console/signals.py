"""The signals that stop a command, and which process handles them."""

import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

# Ctrl-C, a scheduler, a closed terminal.
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STOPPED_BY_USER = 130  # exit code
SECOND_AFTER = 1.0  # seconds: GNU timeout, shells and schedulers may send two signals at once


@contextmanager
def stopping_on_signals(stop: Callable[[], None], to_the_end: bool = False) -> Iterator[None]:
    """While the block runs, call `stop` at the first stop signal; a second one exits immediately.

    Signals within `SECOND_AFTER` seconds of the first are ignored. Under nohup, SIGHUP stays
    ignored.

    Args:
        to_the_end: whether the process ends with the block: a second signal is then treated so also
            after it, or Python would print a traceback as it shuts down.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # Python handles signals in the main thread only
        return
    first_signal: float | None = None  # time of the first signal

    def receive(*_: object) -> None:
        nonlocal first_signal
        now = time.monotonic()
        if first_signal is None:
            first_signal = now
            discard_unread()
            stop()
        elif now - first_signal > SECOND_AFTER:
            os._exit(STOPPED_BY_USER)

    under_nohup = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    numbers = [each for each in STOP_SIGNALS if each != signal.SIGHUP or not under_nohup]
    earlier = {number: signal.signal(number, receive) for number in numbers}
    try:
        yield
    finally:
        if first_signal is not None:
            discard_unread()  # by now the signal has also ended the readers of a pipe
        if first_signal is None or not to_the_end:
            for number, handler in earlier.items():
                signal.signal(number, handler)


def discard_unread() -> None:
    """Discard output that would fail: to a closed terminal, or to a program that has ended."""
    with open(os.devnull, "wb") as null:
        for output in unread_outputs():
            os.dup2(null.fileno(), output)


def unread_outputs() -> Iterator[int]:
    """The file descriptors of standard output and error that nobody reads any more."""
    for output in (1, 2):
        poll = select.poll()
        poll.register(output, 0)
        if any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0)):
            yield output


def interrupt() -> NoReturn:
    """Stop a command as Ctrl-C does, so that it cleans up.

    During an import, exit immediately instead: libraries swallow the exception there, and go on
    half imported.
    """
    frame = sys._getframe().f_back
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            os._exit(STOPPED_BY_USER)
        frame = frame.f_back
    raise KeyboardInterrupt


@contextmanager
def blocked_in_children() -> Iterator[None]:
    """Block the stop signals in processes that are started in the block; this process ends them.

    Terminals and schedulers send the signals to every process of a command at once. A process
    inherits the mask from its first moment; a handler would be installed only after its imports.
    """
    from multiprocessing import resource_tracker

    earlier = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        resource_tracker.ensure_running()
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)  # starting it unblocked two of them
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, earlier)
