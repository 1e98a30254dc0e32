"""Deliver entries in the background to a store that may be slow or unreachable, without loss."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from itertools import takewhile
from pathlib import Path

from harness.tracking.client import RefusedError, UnavailableError
from harness.tracking.outbox import Entry, Outbox
from harness.tracking.store import MlflowStore

RETRY_AFTER = 20.0  # seconds between tries while the store does not answer
LAST_TRIES = 2  # tries after `finish` while the store does not answer
BATCH_SIZE = 24  # maximum number of entries per delivery

Call = Callable[[], None]

log = logging.getLogger(__name__)


class Deliveries:
    """A thread that delivers an outbox to a store, and makes calls on the store in between.

    Any call on the store may raise `UnavailableError` (an OSError counts as one); `write` may also
    raise `RefusedError`; any other error is a bug. Entries survive the process. Calls do not: they
    are for work that a later process repeats. Only the thread that created this object may call
    its public methods; `warn` is called in that thread only.
    """

    def __init__(self, store: MlflowStore, outbox: Path, warn: Callable[[str], None]) -> None:
        self.store = store
        self.outbox = Outbox(outbox)
        self.warn = warn
        self.messages: deque[str] = deque()
        for file in self.outbox.foreign_files():
            self.set_aside(file, "it was not put there by the harness")
        self.open: Call = partial(store.open, self.messages.append)
        self.queue: deque[Path | Call] = deque([self.open, *self.outbox.waiting()])
        self.changed = threading.Condition()
        self.ending = False
        self.unavailable = False
        self.thread = threading.Thread(target=self.run, name="mirror", daemon=True)
        self.thread.start()

    # -- called by the owner ----------------------------------------------------------------

    def put(self, entry: Entry) -> None:
        """Store an entry on disk and queue it for delivery."""
        self.add(self.outbox.put(entry))

    def add(self, item: Path | Call) -> None:
        with self.changed:
            self.queue.append(item)
            self.changed.notify()
        while self.messages:
            self.warn(self.messages.popleft())

    def finish(self) -> None:
        """Deliver what can be delivered and end the thread; warn if anything is left."""
        if self.ending:
            return
        with self.changed:
            self.ending = True
            self.changed.notify()
        self.thread.join()
        self.store.close()
        while self.messages:
            self.warn(self.messages.popleft())
        self.outbox.remove_if_empty()
        if self.queue:
            left = len(self.outbox.waiting())
            what = (
                f"{left} {'entry waits' if left == 1 else 'entries wait'} in {self.outbox.folder}"
                if left
                else "how this ended is missing"
            )
            self.warn(
                f"MLflow does not have everything yet: {what}; run the same command again when it "
                "can be reached."
            )

    # -- run by the thread ------------------------------------------------------------------

    def run(self) -> None:
        """Deliver until `finish` is called and the queue is empty or cannot be delivered."""
        last_tries = 0
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self.queue or self.ending)
                last_tries += self.ending
                if not self.queue:
                    return
                taken = self.next()
            try:
                self.deliver(taken)
            except Exception as error:  # a failing mirror must never end the search
                self.report_outage(error)
                if last_tries >= LAST_TRIES:
                    return
                with self.changed:
                    self.changed.wait_for(lambda: self.ending, RETRY_AFTER)
                continue
            self.unavailable, last_tries = False, 0
            with self.changed:
                for _ in taken:
                    self.queue.popleft()

    def next(self) -> list[Path | Call]:
        """The next call, or the entries before it."""
        if not isinstance(self.queue[0], Path):
            return [self.queue[0]]
        entries = takewhile(lambda item: isinstance(item, Path), self.queue)
        return [file for file, _ in zip(entries, range(BATCH_SIZE), strict=False)]

    def deliver(self, taken: Sequence[Path | Call]) -> None:
        files = [item for item in taken if isinstance(item, Path)]
        for item in taken:
            if not isinstance(item, Path):
                self.call(item)
        try:
            self.write(files)
        except (UnavailableError, OSError):
            raise
        except Exception:  # one of them failed: deliver them one by one to find out which
            for file in files:
                self.write_or_set_aside(file)

    def call(self, call: Call) -> None:
        """Make a call. A failed call is reported and dropped; only `open` has to succeed."""
        try:
            call()
        except (UnavailableError, OSError):
            raise
        except Exception as error:
            if call is self.open:
                raise
            self.messages.append(f"MLflow lacks a part of the study: {reason_of(error)}.")

    def write(self, files: Sequence[Path]) -> None:
        """Deliver files and remove them. An earlier try may have removed some already."""
        remaining = [file for file in files if file.exists()]
        try:
            entries = [Entry.of_bytes(file.read_bytes()) for file in remaining]
        except (ValueError, OSError) as error:
            raise RefusedError(f"it cannot be read ({type(error).__name__})") from error
        if entries:
            self.store.write(entries)
        for file in remaining:
            file.unlink()

    def write_or_set_aside(self, file: Path) -> None:
        try:
            self.write([file])
        except (UnavailableError, OSError):
            raise
        except Exception as error:
            self.set_aside(file, reason_of(error))

    def set_aside(self, file: Path, reason: str) -> None:
        """Move an entry that cannot be delivered out of the queue, so that others can follow."""
        message = f"{self.outbox.refuse(file)} was not delivered to MLflow: {reason}."
        log.info(message)
        self.messages.append(message)

    def report_outage(self, error: Exception) -> None:
        """Report an unavailable store, once per outage."""
        if not self.unavailable:
            reason = reason_of(error)
            log.info("MLflow accepts nothing now: %s", reason)
            self.messages.append(
                f"MLflow accepts nothing now ({reason}). What waits for it is kept in "
                f"{self.outbox.folder} and delivered later."
            )
        self.unavailable = True


def reason_of(error: Exception) -> str:
    """Why a delivery failed. A bug of this program is logged with its traceback."""
    if isinstance(error, UnavailableError | RefusedError):
        return str(error).rstrip(".")
    name = type(error).__name__  # its message may contain a password
    if isinstance(error, OSError):
        return name
    log.error("a bug of this program, in what it writes to MLflow", exc_info=error)
    return f"a fault of this program, {name}; its traceback is in the log"
