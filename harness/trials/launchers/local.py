"""Workers as processes of this machine.

On Linux they are forked from a server that has imported the libraries already: this takes seconds
and is done once, while the search is planned. On other systems the libraries do not survive a
fork, so each worker imports them itself.
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
from typing import Any

from harness.config.settings import TrialPlan
from harness.console.signals import blocked_in_children
from harness.errors import UserInputError
from harness.trials.launchers.launcher import Died
from harness.trials.worker import Message, Order, RunnerFactory, serve

FORKED = sys.platform == "linux"
# A socket address has 107 bytes; the server appends /pymp-xxxxxxxx/listener-xxxxxxxx.
LONGEST_TMPDIR = 107 - 32


def import_for_workers() -> None:
    """Start importing the workers' libraries in the fork server; returns immediately."""
    if FORKED:
        multiprocessing.set_forkserver_preload(["harness.trials.launchers.preload"])
        start_server()


def start_server() -> None:
    """Start the fork server unless it is running; it ends when the thread that starts it ends."""
    shorten_socket_paths()
    # Before Python 3.12.8, the server imports modules from the folder that it is started in.
    with contextlib.chdir(Path(__file__).parents[3]), blocked_in_children():
        forkserver.ensure_running()


def shorten_socket_paths() -> None:
    """Place multiprocessing's sockets in /tmp if TMPDIR is too long for a socket address."""
    if len(os.fsencode(tempfile.gettempdir())) <= LONGEST_TMPDIR:
        return
    chosen, tempfile.tempdir = tempfile.tempdir, "/tmp"
    try:
        util.get_temp_dir()  # creates the folder in /tmp, which multiprocessing then keeps using
    except OSError as error:
        raise UserInputError(
            f"The path of TMPDIR, {chosen}, is too long for sockets, and /tmp cannot be written: "
            f"set TMPDIR to a folder whose path has at most {LONGEST_TMPDIR} bytes."
        ) from error
    finally:
        tempfile.tempdir = chosen


@dataclass
class Worker:
    """The current process of one slot."""

    number: int
    process: BaseProcess
    pipe: Connection


class LocalLauncher:
    """Starts and ends worker processes and exchanges messages with them: a `Launcher`."""

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

    def start(self, number: int) -> None:
        """Start worker `number`; devices are assigned in turn. Its first message is `Ready`."""
        device = self.devices[number % len(self.devices)]
        plan = self.plan.model_copy(update={"device": device})
        ours, theirs = self.context.Pipe()
        process = self.context.Process(
            target=serve,
            args=(theirs, self.factory, plan, self.log, dict(os.environ)),
            name=f"harness-worker-{number}",
        )
        with blocked_in_children():
            process.start()
        theirs.close()  # otherwise our end would not read end-of-file when the worker dies
        self.workers[number] = Worker(number, process, ours)

    def send(self, number: int, order: Order) -> None:
        """Send an order or an answer. If the worker has died, `wait` reports it."""
        try:
            self.workers[number].pipe.send(order)
        except (BrokenPipeError, ConnectionResetError):
            return

    def wait(self, timeout: float) -> list[tuple[int, Message | Died]]:
        """Messages of workers, at most one from each, ordered by worker number.

        A dead worker is reaped here, after all its messages have been read.
        """
        by_pipe: dict[Any, Worker] = {worker.pipe: worker for worker in self.workers.values()}
        messages: list[tuple[int, Message | Died]] = []
        ready = {by_pipe[pipe].number for pipe in connection.wait(list(by_pipe), timeout)}
        for number in sorted(ready):
            try:
                messages.append((number, self.workers[number].pipe.recv()))
            except (EOFError, OSError):
                messages.append((number, Died(self.reap(number))))
        return messages

    def reap(self, number: int) -> str:
        """Remove a worker whose pipe is closed; return how its process ended."""
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
        """End a worker at once."""
        if number in self.workers:
            self.workers[number].process.kill()
            self.reap(number)

    def close(self) -> None:
        """End every worker."""
        for worker in self.workers.values():
            worker.process.kill()
        for number in list(self.workers):
            self.reap(number)
