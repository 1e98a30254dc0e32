"""The way to a store that may be slow or away: nobody waits for it, and nothing is lost."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Protocol

from harness.tracking.outbox import Entry, Outbox

RETRY_AFTER = 20.0  # seconds before a store that did not answer is tried again
LAST_TRIES = 2  # of a store that does not answer when all is over
TOGETHER = 24  # entries that are delivered in one go, where so many wait

Call = Callable[[], None]
Say = Callable[[str], None]

log = logging.getLogger(__name__)


class RefusedError(Exception):
    """The store understood, and will never take this. The message is the store's own."""


class AwayError(Exception):
    """The store takes nothing now, and may later. The message is the store's own."""


class Store(Protocol):
    """What takes entries. An OSError counts as an `AwayError`; any other error is a fault of ours.

    Every call may raise `AwayError`.
    """

    def open(self, say: Say) -> None:
        """Get ready. `say` is told what the user should know, now and later."""
        ...

    def write(self, entries: Sequence[Entry]) -> None:
        """Take all of them, in order. One that it had already changes nothing.

        Raises:
            RefusedError: it will never take one of them.
        """
        ...

    def close(self) -> None: ...


class Deliveries:
    """A thread that brings a store what is put into an outbox, and makes calls in between.

    Entries outlive the process; calls do not, and are for what a later process does anew. Its
    methods are for one thread, the owner's; only there `warn` is called.
    """

    def __init__(self, store: Store, outbox: Path, warn: Callable[[str], None]) -> None:
        self.store = store
        self.outbox = Outbox(outbox)
        self.warn = warn
        self.said: deque[str] = deque()
        for file in self.outbox.strangers():
            self.set_aside(file, "it was not put there by the harness")
        self.open: Call = partial(store.open, self.said.append)
        self.queue: deque[Path | Call] = deque([self.open, *self.outbox.waiting()])
        self.changed = threading.Condition()
        self.ending = False
        self.away = False
        self.thread = threading.Thread(target=self.run, name="mirror", daemon=True)
        self.thread.start()

    # -- the owner's side -------------------------------------------------------------------

    def put(self, entry: Entry) -> None:
        """Deliver an entry after all that waits. Returns when it is on the disk."""
        self.add(self.outbox.put(entry))

    def add(self, item: Path | Call) -> None:
        with self.changed:
            self.queue.append(item)
            self.changed.notify()
        while self.said:
            self.warn(self.said.popleft())

    def finish(self) -> None:
        """Deliver all that can be delivered, and end the thread; say so where something waits."""
        if self.ending:
            return
        with self.changed:
            self.ending = True
            self.changed.notify()
        self.thread.join()
        self.store.close()
        while self.said:
            self.warn(self.said.popleft())
        self.outbox.tidy()
        if self.queue:
            left = len(self.outbox.waiting())
            what = (
                f"{left} entries wait in {self.outbox.folder}"
                if left
                else "how this ended is missing"
            )
            self.warn(
                f"MLflow does not have everything yet: {what}; run the same command again when it "
                "can be reached."
            )

    # -- the thread's side ------------------------------------------------------------------

    def run(self) -> None:
        """Until the end is near and nothing waits, or what waits cannot be delivered."""
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
            except Exception as error:  # whatever a mirror raises, the search goes on
                self.say_waiting(error)
                if last_tries >= LAST_TRIES:
                    return
                with self.changed:
                    self.changed.wait_for(lambda: self.ending, RETRY_AFTER)
                continue
            self.away, last_tries = False, 0
            with self.changed:
                for _ in taken:
                    self.queue.popleft()

    def next(self) -> list[Path | Call]:
        """A call, or the entries up to the next one."""
        if not isinstance(self.queue[0], Path):
            return [self.queue[0]]
        entries = takewhile(lambda item: isinstance(item, Path), self.queue)
        return [file for file, _ in zip(entries, range(TOGETHER), strict=False)]

    def deliver(self, taken: Sequence[Path | Call]) -> None:
        files = [item for item in taken if isinstance(item, Path)]
        for item in taken:
            if not isinstance(item, Path):
                self.call(item)
        try:
            self.write(files)
        except (AwayError, OSError):
            raise
        except Exception:  # of one of them: which, is found out one by one
            for file in files:
                self.write_or_set_aside(file)

    def call(self, call: Call) -> None:
        """Make a call; without the one that opens the store, nothing else can be done."""
        try:
            call()
        except (AwayError, OSError):
            raise
        except Exception as error:
            if call is self.open:
                raise
            self.said.append(f"MLflow lacks a part of the study: {reason_of(error)}.")

    def write(self, files: Sequence[Path]) -> None:
        """Deliver files and remove them. Those of an earlier try may be gone already."""
        there = [file for file in files if file.exists()]
        try:
            entries = [Entry.of_bytes(file.read_bytes()) for file in there]
        except (ValueError, OSError) as error:
            raise RefusedError(f"it cannot be read ({type(error).__name__})") from error
        if entries:
            self.store.write(entries)
        for file in there:
            file.unlink()

    def write_or_set_aside(self, file: Path) -> None:
        try:
            self.write([file])
        except (AwayError, OSError):
            raise
        except Exception as error:
            self.set_aside(file, reason_of(error))

    def set_aside(self, file: Path, reason: str) -> None:
        """Keep an entry that cannot be delivered out of the way of those behind it."""
        said = f"{self.outbox.refuse(file)} was not delivered to MLflow: {reason}."
        log.info(said)
        self.said.append(said)

    def say_waiting(self, error: Exception) -> None:
        """Once, until it answers again."""
        if not self.away:
            reason = reason_of(error)
            log.info("MLflow takes nothing now: %s", reason)
            self.said.append(
                f"MLflow takes nothing now ({reason}). What waits for it is kept in "
                f"{self.outbox.folder} and delivered later."
            )
        self.away = True


def reason_of(error: Exception) -> str:
    """Why something was not delivered. A fault of ours goes to the log with its traceback."""
    if isinstance(error, AwayError | RefusedError):
        return str(error).rstrip(".")
    name = type(error).__name__  # its message may hold a password
    if isinstance(error, OSError):
        return name
    log.error("a fault of the program, in what it writes to MLflow", exc_info=error)
    return f"a fault of this program, {name}; its traceback is in the log"
