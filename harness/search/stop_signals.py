"""Stop a search early: Ctrl-C, SIGTERM, a closed terminal, or a time limit."""

import time
from contextlib import AbstractContextManager

from harness.console.signals import stopping_on_signals
from harness.search.result import StopReason


class StopSwitch:
    """Whether to stop, and why. The driver polls it."""

    def __init__(self, timeout: float | None) -> None:
        self.deadline = None if timeout is None else time.monotonic() + timeout
        self.reason: StopReason = ""

    def __call__(self) -> bool:
        if not self.reason and self.deadline is not None and time.monotonic() >= self.deadline:
            self.reason = "timeout"
        return bool(self.reason)

    def stop(self) -> None:
        """Stop the search cleanly, as its user asked."""
        self.reason = "user"

    def on_signals(self) -> AbstractContextManager[None]:
        """Stop at a signal while the block runs; a second one exits immediately.

        Workers end with the process, and the next search repairs the record.
        """
        return stopping_on_signals(self.stop)
