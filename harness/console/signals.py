"""The signals by which a command is stopped, and which process handles them."""

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
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STOPPED_BY_USER = 130  # exit code
SECOND_AFTER = 1.0  # seconds: GNU timeout, shells and schedulers may send two signals at once


@contextmanager
def handled(stop: Callable[[], None]) -> Iterator[None]:
    """While the block runs, call `stop` at the first of these signals; a second exits at once.

    Signals within `SECOND_AFTER` seconds of the first are ignored. Under nohup, SIGHUP stays so.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # Python handles signals in the main thread only
        return
    asked: float | None = None  # time of the first signal

    def receive(*_: object) -> None:
        nonlocal asked
        now = time.monotonic()
        if asked is None:
            asked = now
            discard_unread()
            stop()
        elif now - asked > SECOND_AFTER:
            os._exit(STOPPED_BY_USER)

    under_nohup = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    numbers = [each for each in STOPPING if each != signal.SIGHUP or not under_nohup]
    earlier = {number: signal.signal(number, receive) for number in numbers}
    try:
        yield
    finally:
        if asked is not None:
            discard_unread()  # by now the signal has ended other programs too
        for number, handler in earlier.items():
            signal.signal(number, handler)


def discard_unread() -> None:
    """Discard output that would fail: to a closed terminal, or to a program that has ended."""
    with open(os.devnull, "wb") as null:
        for output in unread():
            os.dup2(null.fileno(), output)


def unread() -> Iterator[int]:
    """Which of standard output and error nobody reads any more."""
    for output in (1, 2):
        poll = select.poll()
        poll.register(output, 0)
        if any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0)):
            yield output


def interrupt() -> NoReturn:
    """Stop a command as Ctrl-C does: what it has begun is cleaned up.

    Not in an import, where libraries swallow the exception and go on half imported.
    """
    frame = sys._getframe().f_back
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            os._exit(STOPPED_BY_USER)
        frame = frame.f_back
    raise KeyboardInterrupt


@contextmanager
def kept_from_children() -> Iterator[None]:
    """Block these signals in the processes started in the block, which this process ends.

    Terminals and schedulers send them to every process of a command at once. What inherits a block
    has it from its first moment; a handler of its own would come after its imports.
    """
    from multiprocessing import resource_tracker

    earlier = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    try:
        resource_tracker.ensure_running()
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)  # its start unblocks two of them
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, earlier)
