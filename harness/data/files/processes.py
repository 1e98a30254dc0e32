"""The same work on many items, on several processes, in order."""

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import TypeVar

from harness.errors import HarnessError

Item = TypeVar("Item")
Result = TypeVar("Result")

# A new process takes as long to start as about so many items take.
WORTH_A_PROCESS = 8


def processes_for(items: int) -> int:
    """Processes that are worth starting, of those that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        usable = len(os.sched_getaffinity(0))
    else:
        usable = os.cpu_count() or 1
    return max(1, min(usable, items // WORTH_A_PROCESS))


def each(work: Callable[[Item], Result], items: Iterable[Item], processes: int) -> Iterator[Result]:
    """`work` of every item, in order; few items and results wait in memory.

    The processes are new ones, not copies of this one, as on every system they can be: `work` is
    a function of a module.

    Raises:
        HarnessError: a process ended midway.
    """
    if processes <= 1:
        yield from map(work, items)
        return
    context = multiprocessing.get_context("spawn")
    todo = iter(items)
    waiting: deque[Future[Result]] = deque()
    with ProcessPoolExecutor(processes, context, leave_ctrl_c_to_the_parent) as pool:
        try:
            while True:
                for item in islice(todo, 4 * processes - len(waiting)):
                    waiting.append(pool.submit(work, item))
                if not waiting:
                    return
                yield waiting.popleft().result()
        except BrokenProcessPool as error:
            raise HarnessError(
                "A process that read pictures was ended from outside, most likely because memory "
                "ran out: close other programs, or scale the largest pictures down."
            ) from error
        finally:
            for future in waiting:
                future.cancel()


def leave_ctrl_c_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
