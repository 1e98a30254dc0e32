"""Map a function over many items with several processes, keeping their order."""

import multiprocessing
import os
import threading
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection
from typing import TypeVar

from harness.console.signals import blocked_in_children
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


def parallel_map(
    work: Callable[[Item], Result], items: Iterable[Item], processes: int
) -> Generator[Result]:
    """Yield `work(item)` for every item, in order.

    The processes are spawned, so `work` must be a module-level function.

    Raises:
        HarnessError: a process ended unexpectedly.
    """
    if processes <= 1:
        yield from map(work, items)
        return
    context = multiprocessing.get_context("spawn")
    with blocked_in_children():  # multiprocessing starts a process of its own
        pool = ProcessPoolExecutor(processes, context, end_with_parent)
    with pool:
        try:
            with blocked_in_children():  # all others start here
                results = pool.map(work, items)
            yield from results
        except BrokenProcessPool as error:
            raise HarnessError(
                "A process that read pictures was ended from outside, most likely because memory "
                "ran out: close other programs, or scale the largest pictures down."
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def end_with_parent() -> None:
    """End this process whenever and however its parent ends."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
