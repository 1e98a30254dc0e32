"""Stop a search early: Ctrl-C, SIGTERM, a closed terminal, or a time limit."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from harness.search.result import StopReason

STOPPED_BY_USER = 130
SECOND_AFTER = 1.0  # seconds: GNU timeout, shells and schedulers may send two signals at once


class StopSwitch:
    """Whether to stop, and why. The driver polls it."""

    def __init__(self, timeout: float | None) -> None:
        self.deadline = None if timeout is None else time.monotonic() + timeout
        self.reason: StopReason = ""
        self.asked = 0.0  # time of the first signal

    def __call__(self) -> bool:
        if not self.reason and self.deadline is not None and time.monotonic() >= self.deadline:
            self.reason = "timeout"
        return bool(self.reason)

    def receive(self, number: int, _: FrameType | None) -> None:
        """Signal handler: the first signal stops the search cleanly, a second exits at once.

        Workers end with the process, and the next search repairs the record. Signals within
        `SECOND_AFTER` seconds of the first are ignored.
        """
        now = time.monotonic()
        if self.reason != "user":
            self.reason, self.asked = "user", now
        elif now - self.asked > SECOND_AFTER:
            os._exit(STOPPED_BY_USER)

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Handle SIGINT, SIGTERM (from schedulers) and SIGHUP while the block runs."""
        if threading.current_thread() is not threading.main_thread():
            yield  # Python handles signals in the main thread only
            return
        numbers = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
        if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:  # under nohup
            numbers.remove(signal.SIGHUP)
        earlier = {number: signal.signal(number, self.receive) for number in numbers}
        try:
            yield
        finally:
            for number, handler in earlier.items():
                signal.signal(number, handler)
