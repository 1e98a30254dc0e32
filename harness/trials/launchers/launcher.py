"""What a driver needs of whatever runs its workers."""

from dataclasses import dataclass
from typing import Protocol, Self

from harness.trials.messages import TrialTask
from harness.trials.worker import Message, Prepare


@dataclass(frozen=True)
class Died:
    """A worker ended by itself; `reason` says how, in words."""

    reason: str


class Launcher(Protocol):
    """Starts, hears, replaces and ends workers, by their numbers. Knows nothing of trials.

    Used by one thread. Leaving its context ends every worker.
    """

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def start(self, number: int) -> None:
        """Start worker `number`, which is not running; it will say Ready."""
        ...

    def send(self, number: int, order: TrialTask | Prepare | bool) -> None:
        """Give an order, or an answer to a rung. A worker that is gone is told of by `wait`."""
        ...

    def wait(self, timeout: float) -> list[tuple[int, Message | Died]]:
        """What workers said, at most one message each, in the order of their numbers.

        Returns as soon as there is something, or empty after `timeout` seconds. That a worker died
        comes after all that it had said.
        """
        ...

    def kill(self, number: int) -> None:
        """End a worker at once, whatever it is doing; nothing is heard of it any more."""
        ...

    def close(self) -> None:
        """End every worker."""
        ...
