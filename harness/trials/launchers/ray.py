"""Workers as actors of a Ray cluster. The only file that imports Ray.

Each actor runs the same worker code as a local process, with a pair of queues as its pipe. Nodes
need not share a file system: the pairs and the user's checkpoints are sent to each actor once, the
warm start once it exists, and the weights of a trial come back with its result.
"""

import importlib
import os
import queue
import shutil
import tempfile
import threading
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.config.settings import TrialPlan
from harness.errors import UserInputError
from harness.paths import StudyPaths, write_atomically
from harness.trials.launchers.launcher import Died
from harness.trials.messages import Answer, TrialResult
from harness.trials.worker import Message, Order, RunnerFactory, run_orders
from reports.record.baseline import Baseline

Files = Mapping[str, bytes]
"""Contents by path, relative to the study's folder."""

DATASET = "dataset.pt"
SHUTDOWN_SECONDS = 3.0  # time for an actor to remove its folder before it is killed


def connect(address: str | None) -> None:
    """Join the cluster at `address` (`auto`: the one of this machine; None: start one here).

    Raises:
        UserInputError: Ray is not installed, or no cluster answers at that address.
    """
    ray = load()
    if ray.is_initialized():
        return
    options = {"include_dashboard": False} if address is None else {}
    try:
        ray.init(address=address or "local", log_to_driver=False, logging_level="error", **options)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        raise UserInputError(
            f"No Ray cluster answers at --address {address} ({type(error).__name__}): start one "
            "with ray start --head, or name its address."
        ) from error


def load() -> Any:
    """The Ray module, imported only if it is used.

    Raises:
        UserInputError: Ray is not installed.
    """
    try:
        return importlib.import_module("ray")
    except ImportError:
        raise UserInputError(
            "--launcher ray needs Ray: install it with pip install 'pix2pix-blur-harness[ray]'."
        ) from None


def resources() -> dict[str, float]:
    """Total CPUs and GPUs of the cluster, under Ray's names."""
    return dict(load().cluster_resources())


class QueuePipe:
    """The pipe of a worker inside an actor: one queue of orders, one of messages."""

    def __init__(self) -> None:
        self.orders: queue.Queue[Order] = queue.Queue()
        self.messages: queue.Queue[Message] = queue.Queue()
        self.waiting: dict[int, Order] = {}
        self.next_position = 0
        self.lock = threading.Lock()

    def put(self, position: int, order: Order) -> None:
        """Queue an order by its position among all orders sent, from 0.

        Calls to an actor with several threads may arrive out of order.
        """
        with self.lock:
            self.waiting[position] = order
            while self.next_position in self.waiting:
                self.orders.put(self.waiting.pop(self.next_position))
                self.next_position += 1

    def send(self, message: Message, /) -> None:
        self.messages.put(message)

    def recv(self) -> Order:
        return self.orders.get()


class RayWorker:
    """A worker in an actor: one thread runs orders, Ray's threads pass orders and messages."""

    def __init__(self, factory: RunnerFactory, plan: TrialPlan, *contents: bytes) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="harness-"))
        dataset, *init_from = contents
        files = [self.folder / f"init_{number}.pth" for number in range(len(init_from))]
        for file, content in zip(files, init_from, strict=True):
            file.write_bytes(content)
        (self.folder / DATASET).write_bytes(dataset)
        local_plan = plan.model_copy(
            update={
                "folder": self.folder,
                "dataset": self.folder / DATASET,
                "init_from": tuple(files),
            }
        )
        self.pipe = QueuePipe()
        threading.Thread(target=self.run, args=(factory, local_plan), daemon=True).start()

    def run(self, factory: RunnerFactory, plan: TrialPlan) -> None:
        """Run orders; an exception that would end a worker process ends the actor's process."""
        try:
            run_orders(self.pipe, factory, plan)
        except BaseException:
            os._exit(1)

    def put_order(self, position: int, order: Order, names: tuple[str, ...], *files: bytes) -> None:
        """Store the files that an order needs, then queue the order, as `QueuePipe.put` does."""
        unpack(self.folder, dict(zip(names, files, strict=True)))
        self.pipe.put(position, order)

    def next_message(self) -> tuple[Message, Files]:
        """The next message, with the files that belong to it."""
        message = self.pipe.messages.get()
        if isinstance(message, Baseline):
            panels = StudyPaths(self.folder).panels.glob("*")
            return message, pack(self.folder, [*warm_start_files(self.folder), *panels])
        if isinstance(message, TrialResult):
            return self.with_checkpoint(message)
        return message, {}

    def shut_down(self) -> None:
        """Leave no files on this node. Afterwards the driver kills the actor, even during a trial:
        if an actor ends by itself, Ray prints a warning to standard output."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def with_checkpoint(self, result: TrialResult) -> tuple[TrialResult, Files]:
        """The result with a relative checkpoint path, and the checkpoint's content."""
        if result.checkpoint is None:
            return result, {}
        name = result.checkpoint.relative_to(self.folder)
        files = pack(self.folder, [result.checkpoint])
        result.checkpoint.unlink()
        return replace(result, checkpoint=name), files


def warm_start_files(folder: Path) -> list[Path]:
    return sorted(StudyPaths(folder).warm_start.folder.glob("*"))


def pack(folder: Path, files: Iterable[Path]) -> Files:
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


def unpack(folder: Path, files: Files) -> None:
    for name, content in files.items():
        write_atomically(folder / name, content)


class RayLauncher:
    """The `Launcher` of a cluster: starts and ends actors and exchanges messages with them.

    Args:
        gpus: GPUs per worker; may be a fraction.
    """

    def __init__(self, factory: RunnerFactory, plan: TrialPlan, gpus: float) -> None:
        self.ray = ray = load()
        self.factory = factory
        self.plan = plan
        # Two threads: one receives, one sends. Ray must not restart actors, since the driver does.
        self.actor = ray.remote(RayWorker).options(
            num_cpus=plan.threads, num_gpus=gpus, max_concurrency=2, max_restarts=0
        )
        shared = [plan.dataset, *plan.init_from]
        self.shared = [ray.put(file.read_bytes()) for file in shared]
        self.warm_start: dict[str, Any] = {}
        self.store_warm_start(pack(plan.folder, warm_start_files(plan.folder)))
        self.workers: dict[int, Any] = {}
        self.pending: dict[Any, int] = {}  # worker number by the reference to its next message
        self.has_warm_start: set[int] = set()
        self.sent: dict[int, int] = {}  # orders, by worker number

    def store_warm_start(self, files: Files) -> None:
        self.warm_start = {name: self.ray.put(content) for name, content in files.items()}

    def start(self, number: int) -> None:
        self.workers[number] = self.actor.remote(self.factory, self.plan, *self.shared)
        self.has_warm_start.discard(number)
        self.sent[number] = 0
        self.request_message(number)

    def request_message(self, number: int) -> None:
        self.pending[self.workers[number].next_message.remote()] = number

    def send(self, number: int, order: Order) -> None:
        files: dict[str, Any] = {}
        if not isinstance(order, Answer) and number not in self.has_warm_start:
            files = self.warm_start
            if files:
                self.has_warm_start.add(number)
        if number in self.workers:
            position = self.sent[number]
            self.sent[number] += 1
            self.workers[number].put_order.remote(position, order, tuple(files), *files.values())

    def wait(self, timeout: float) -> list[tuple[int, Message | Died]]:
        if not self.pending:
            return []
        waiting = list(self.pending)
        ready, _ = self.ray.wait(waiting, num_returns=1, timeout=timeout)
        if ready:
            ready, _ = self.ray.wait(waiting, num_returns=len(waiting), timeout=0)
        references = {self.pending.pop(reference): reference for reference in ready}
        return [(number, self.receive(number, references[number])) for number in sorted(references)]

    def receive(self, number: int, reference: Any) -> Message | Died:
        """Fetch a worker's message and store its files in the study's folder."""
        try:
            fetched, files = self.ray.get(reference)
        except self.ray.exceptions.RayError as error:
            self.workers.pop(number, None)
            return Died(f"its actor is gone: {type(error).__name__}")
        self.request_message(number)
        message: Message = fetched
        match message:
            case Baseline():
                self.has_warm_start.add(number)
                panels = {name: files[name] for name in files if name.endswith(".png")}
                unpack(self.plan.folder, panels)
                if not warm_start_files(self.plan.folder):
                    weights = {name: files[name] for name in files if name not in panels}
                    self.save_warm_start(weights)
            case TrialResult(checkpoint=Path() as name):
                unpack(self.plan.folder, files)
                return replace(message, checkpoint=self.plan.folder / name)
        return message

    def save_warm_start(self, files: Files) -> None:
        """Store it for other workers and, by an atomic rename, in the study's folder."""
        if not files:
            return
        self.store_warm_start(files)
        folder = StudyPaths(self.plan.folder).warm_start.folder
        temporary = folder.with_name(f".{folder.name}.tmp")
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        for name, content in files.items():
            (temporary / Path(name).name).write_bytes(content)
        temporary.rename(folder)

    def kill(self, number: int) -> None:
        self.end([number])

    def close(self) -> None:
        self.end(list(self.workers))

    def end(self, numbers: Iterable[int]) -> None:
        """Shut actors down; kill those that do not end in time."""
        ending = {number: self.workers.pop(number) for number in numbers if number in self.workers}
        if not ending:
            return
        self.pending = {ref: n for ref, n in self.pending.items() if n not in ending}
        calls = [worker.shut_down.remote() for worker in ending.values()]
        self.ray.wait(calls, num_returns=len(calls), timeout=SHUTDOWN_SECONDS)
        for worker in ending.values():
            self.ray.kill(worker)
