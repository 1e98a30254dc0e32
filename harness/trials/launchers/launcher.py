"""The interface between the driver and the launcher of its workers."""

from dataclasses import dataclass
from typing import Protocol

from harness.trials.worker import Message, Order


@dataclass(frozen=True)
class Died:
    """A worker ended unexpectedly; `reason` describes how."""

    reason: str


class Launcher(Protocol):
    """Starts and ends workers and exchanges messages with them, by their numbers.

    Used by one thread.
    """

    def start(self, number: int) -> None:
        """Start worker `number`, which is not running; its first message is `Ready`."""
        ...

    def send(self, number: int, order: Order) -> None:
        """Send an order, or the answer to a rung. If the worker has died, `wait` reports it."""
        ...

    def wait(self, timeout: float) -> list[tuple[int, Message | Died]]:
        """Messages of workers, at most one from each, ordered by worker number.

        Returns as soon as there is a message, or an empty list after `timeout` seconds. `Died`
        comes after all messages of that worker.
        """
        ...

    def kill(self, number: int) -> None:
        """End a worker at once; no further message of it is returned."""
        ...

    def close(self) -> None:
        """End every worker."""
        ...
