"""Map a function over many items with several processes, keeping their order."""

import multiprocessing
import os
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import connection
from typing import Protocol, TypeVar

from harness.console.signals import blocked_in_children
from harness.data.files.listing import Remark
from harness.errors import HarnessError

Item = TypeVar("Item")
Result = TypeVar("Result")

# Starting a process takes about as long as this many items.
WORTH_A_PROCESS = 8


def available_cores() -> int:
    """The number of CPU cores available to this process."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processes_for(items: int) -> int:
    """The number of processes worth starting, at most one per available core."""
    return max(1, min(available_cores(), items // WORTH_A_PROCESS))


class Map(Protocol):
    """`map` of one iterable."""

    def __call__(
        self, work: Callable[[Item], Result], items: Iterable[Item], /
    ) -> Iterator[Result]: ...


def parallel_map(
    work: Callable[[Item], Result], items: Iterable[Item], processes: int
) -> Generator[Result]:
    """Yield `work(item)` for every item, in order, in processes as those of `pooled`."""
    with pooled(processes) as spread:
        yield from spread(work, items)


@contextmanager
def pooled(processes: int) -> Iterator[Map]:
    """A `map` by so many processes, which end with the block; by this one alone if one is enough.

    The processes are spawned, so the work must be a module-level function.

    Raises:
        HarnessError: a process ended unexpectedly.
    """
    if processes <= 1:
        yield map
        return
    context = multiprocessing.get_context("spawn")
    with blocked_in_children():  # multiprocessing starts a process of its own
        pool = ProcessPoolExecutor(processes, context, end_with_parent)

    def spread(work: Callable[[Item], Result], items: Iterable[Item], /) -> Iterator[Result]:
        with blocked_in_children():  # all others start here
            return pool.map(work, items)

    with pool:
        try:
            yield spread
        except BrokenProcessPool as error:
            raise HarnessError(
                "A process that read pictures was ended from outside, most likely because memory "
                "ran out: close other programs, or scale the largest pictures down."
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def with_progress(items: Iterable[Item], total: int, done: str, remark: Remark) -> Iterator[Item]:
    """The items, with a remark on how many of `total` are `done`, at most ten times in all."""
    for number, item in enumerate(items, 1):
        yield item
        if number < total and number % max(10, total // 10) == 0:
            remark(f"{number} of {total} {done}.")


def end_with_parent() -> None:
    """End this process whenever and however its parent ends."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
