"""When to stop before the budget is reached: Ctrl-C, SIGTERM, a closed terminal, a time limit."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from harness.search.result import StopReason

STOPPED_BY_USER = 130
SECOND_AFTER = 1.0  # seconds: GNU timeout, shells and schedulers send one request as two signals


class StopSwitch:
    """Asked between events whether to stop; remembers why."""

    def __init__(self, timeout: float | None) -> None:
        self.deadline = None if timeout is None else time.monotonic() + timeout
        self.reason: StopReason = ""
        self.asked = 0.0  # when the user's first signal came

    def __call__(self) -> bool:
        if not self.reason and self.deadline is not None and time.monotonic() >= self.deadline:
            self.reason = "timeout"
        return bool(self.reason)

    def heard(self, number: int, _: FrameType | None) -> None:
        """The first signal stops the search in order; the second ends the process at once.

        Its workers end with it, and the next search puts the record in order. What follows the
        first within `SECOND_AFTER` seconds is the same request.
        """
        now = time.monotonic()
        if self.reason != "user":
            self.reason, self.asked = "user", now
        elif now - self.asked > SECOND_AFTER:
            os._exit(STOPPED_BY_USER)

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Hear Ctrl-C, SIGTERM (schedulers send it) and a terminal's end while the block runs."""
        if threading.current_thread() is not threading.main_thread():
            yield  # Python hears signals in the main thread only
            return
        numbers = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
        if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:  # by nohup
            numbers.remove(signal.SIGHUP)
        earlier = {number: signal.signal(number, self.heard) for number in numbers}
        try:
            yield
        finally:
            for number, handler in earlier.items():
                signal.signal(number, handler)
