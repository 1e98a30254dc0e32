"""Workers as processes of this machine.

On Linux they are forked from a server that has imported what they need, which takes seconds and is
done once, while the search is planned. Elsewhere libraries do not survive a fork, and each worker
imports for itself.
"""

import contextlib
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import connection, forkserver, util
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Self

from harness.config.settings import TrialPlan
from harness.errors import UserInputError
from harness.trials.launchers.launcher import Died
from harness.trials.messages import TrialTask
from harness.trials.worker import Message, Prepare, RunnerFactory, serve

FORKED = sys.platform == "linux"
# An address has 107 bytes, and the server puts /pymp-xxxxxxxx/listener-xxxxxxxx behind it.
LONGEST_TMPDIR = 107 - 32


def import_for_workers() -> None:
    """Begin to import what workers will need; returns at once."""
    if FORKED:
        multiprocessing.set_forkserver_preload(["harness.trials.launchers.preload"])
        start_server()


def start_server() -> None:
    """Start what workers are forked from, unless it runs; it ends with the thread that does."""
    keep_sockets_short()
    # Before Python 3.12.8 it looks for what it imports in the folder that it is started in.
    with contextlib.chdir(Path(__file__).parents[3]):
        forkserver.ensure_running()


def keep_sockets_short() -> None:
    """Let multiprocessing's sockets be in /tmp where TMPDIR is too long for a socket's address.

    Raises:
        UserInputError: /tmp cannot be written either.
    """
    if len(os.fsencode(tempfile.gettempdir())) <= LONGEST_TMPDIR:
        return
    chosen, tempfile.tempdir = tempfile.tempdir, "/tmp"
    try:
        util.get_temp_dir()  # made now, it is used from here on
    except OSError as error:
        raise UserInputError(
            f"The path of TMPDIR, {chosen}, is too long for sockets, and /tmp cannot be written: "
            f"set TMPDIR to a folder whose path has at most {LONGEST_TMPDIR} bytes."
        ) from error
    finally:
        tempfile.tempdir = chosen


@dataclass
class Worker:
    """One slot's present process."""

    number: int
    process: BaseProcess
    pipe: Connection


class LocalLauncher:
    """Starts, hears, replaces and ends worker processes. Knows nothing of trials."""

    def __init__(
        self, factory: RunnerFactory, plan: TrialPlan, log: Path, devices: Sequence[str]
    ) -> None:
        self.factory = factory
        self.plan = plan
        self.log = log
        self.devices = devices
        self.context: Any = multiprocessing.get_context("forkserver" if FORKED else "spawn")
        self.workers: dict[int, Worker] = {}
        if FORKED:
            start_server()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self, number: int) -> None:
        """Start worker `number` on the device whose turn it is; it will say Ready."""
        device = self.devices[number % len(self.devices)]
        plan = self.plan.model_copy(update={"device": device})
        ours, theirs = self.context.Pipe()
        process = self.context.Process(
            target=serve,
            args=(theirs, self.factory, plan, self.log, dict(os.environ)),
            name=f"harness-worker-{number}",
        )
        process.start()
        theirs.close()  # so that our end reads its end of file when the worker dies
        self.workers[number] = Worker(number, process, ours)

    def send(self, number: int, order: TrialTask | Prepare | bool) -> None:
        """Give an order or an answer. A worker that is gone is told of by `wait`."""
        try:
            self.workers[number].pipe.send(order)
        except (BrokenPipeError, ConnectionResetError):
            return

    def wait(self, timeout: float) -> list[tuple[int, Message | Died]]:
        """What workers said, at most one message each, in the order of their numbers.

        A worker that died is reaped here, after all that it had said before.
        """
        of_pipe: dict[Any, Worker] = {worker.pipe: worker for worker in self.workers.values()}
        heard: list[tuple[int, Message | Died]] = []
        ready = {of_pipe[pipe].number for pipe in connection.wait(list(of_pipe), timeout)}
        for number in sorted(ready):
            try:
                heard.append((number, self.workers[number].pipe.recv()))
            except (EOFError, OSError):
                heard.append((number, Died(self.reap(number))))
        return heard

    def reap(self, number: int) -> str:
        """Forget a worker whose pipe ended; say how it ended."""
        worker = self.workers.pop(number)
        worker.pipe.close()
        worker.process.join(timeout=10)
        if worker.process.exitcode is None:
            worker.process.kill()
            worker.process.join()
        code = worker.process.exitcode
        worker.process.close()
        return f"killed by signal {-code}" if code is not None and code < 0 else f"exit code {code}"

    def kill(self, number: int) -> None:
        """End a worker at once, whatever it is doing."""
        if number in self.workers:
            self.workers[number].process.kill()
            self.reap(number)

    def close(self) -> None:
        """End every worker."""
        for worker in self.workers.values():
            worker.process.kill()
        for number in list(self.workers):
            self.reap(number)
