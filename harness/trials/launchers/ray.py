"""Workers as actors of a Ray cluster. The only file that imports Ray.

The worker is the local one; its pipe is a pair of queues inside the actor. Nodes need not share a
file system: pairs and the user's checkpoints go to each actor once, the warm start when it is made,
and a trial's weights come back with its result.
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
from typing import Any, Self

from harness.config.settings import TrialPlan
from harness.errors import UserInputError
from harness.paths import StudyPaths, write_aside
from harness.trials.launchers.launcher import Died
from harness.trials.messages import Baseline, TrialResult, TrialTask
from harness.trials.worker import Message, Prepare, RunnerFactory, obey

Files = Mapping[str, bytes]
"""Contents by path, relative to the study's folder."""

DATASET = "dataset.pt"
LEAVING = 3.0  # seconds that ended actors are given to clear their folders


def connect(address: str | None) -> None:
    """Join the cluster at `address` (`auto`: the one of this machine; None: begin one here).

    Raises:
        UserInputError: Ray is not installed, or nothing answers there.
    """
    ray = load()
    if ray.is_initialized():
        return
    own = {"include_dashboard": False} if address is None else {}
    try:
        ray.init(address=address or "local", log_to_driver=False, logging_level="error", **own)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        raise UserInputError(
            f"No Ray cluster answers at --address {address} ({type(error).__name__}): start one "
            "with ray start --head, or name its address."
        ) from error


def load() -> Any:
    """Ray itself, which a local search does without.

    Raises:
        UserInputError: it is not installed.
    """
    try:
        return importlib.import_module("ray")
    except ImportError:
        raise UserInputError(
            "--launcher ray needs Ray: install it with pip install 'pix2pix-blur-harness[ray]'."
        ) from None


def resources() -> dict[str, float]:
    """CPUs and GPUs of the whole cluster, by Ray's names."""
    return dict(load().cluster_resources())


class Post:
    """A worker's pipe inside its actor: orders come in, words go out."""

    def __init__(self) -> None:
        self.orders: queue.Queue[Any] = queue.Queue()
        self.words: queue.Queue[Message] = queue.Queue()

    def send(self, word: Message, /) -> None:
        self.words.put(word)

    def recv(self) -> Any:
        return self.orders.get()


class RayWorker:
    """A worker in an actor: one thread obeys, Ray's threads take orders in and words out."""

    def __init__(self, factory: RunnerFactory, plan: TrialPlan, *shared: bytes) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="harness-"))
        dataset, *init_from = shared
        files = [self.folder / f"init_{number}.pth" for number in range(len(init_from))]
        for file, content in zip(files, init_from, strict=True):
            file.write_bytes(content)
        (self.folder / DATASET).write_bytes(dataset)
        own = plan.model_copy(
            update={
                "folder": self.folder,
                "dataset": self.folder / DATASET,
                "init_from": tuple(files),
            }
        )
        self.post = Post()
        threading.Thread(target=self.live, args=(factory, own), daemon=True).start()

    def live(self, factory: RunnerFactory, plan: TrialPlan) -> None:
        """Obey; whatever ends a process elsewhere ends the actor's."""
        try:
            obey(self.post, factory, plan)
        except BaseException:
            os._exit(1)

    def give(
        self, order: TrialTask | Prepare | bool, names: tuple[str, ...], *files: bytes
    ) -> None:
        """Take an order, after the files that it needs."""
        unpack(self.folder, dict(zip(names, files, strict=True)))
        self.post.orders.put(order)

    def hear(self) -> tuple[Message, Files]:
        """The next word, with the files that it speaks of."""
        word = self.post.words.get()
        if isinstance(word, Baseline):
            return word, pack(self.folder, warm_start_files(self.folder))
        if isinstance(word, TrialResult):
            return self.with_checkpoint(word)
        return word, {}

    def leave(self) -> None:
        """End, whatever a trial is doing, with nothing left on this node."""
        shutil.rmtree(self.folder, ignore_errors=True)
        os._exit(0)

    def with_checkpoint(self, result: TrialResult) -> tuple[TrialResult, Files]:
        """A result whose checkpoint is named relative to the folder, and travels with it."""
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
        with write_aside(folder / name) as aside:
            aside.write_bytes(content)


class RayLauncher:
    """Starts, hears, replaces and ends actors: `harness.launch.launcher.Launcher` on a cluster.

    Args:
        gpus: of each worker; may be a fraction.
    """

    def __init__(self, factory: RunnerFactory, plan: TrialPlan, gpus: float) -> None:
        self.ray = ray = load()
        self.factory = factory
        self.plan = plan
        # One thread hears while another gives; the actor is not restarted by Ray: the driver is.
        self.actor = ray.remote(RayWorker).options(
            num_cpus=plan.threads, num_gpus=gpus, max_concurrency=2, max_restarts=0
        )
        shared = [plan.dataset, *plan.init_from]
        self.shared = [ray.put(file.read_bytes()) for file in shared]
        self.warm_start: dict[str, Any] = {}
        self.store_warm_start(pack(plan.folder, warm_start_files(plan.folder)))
        self.workers: dict[int, Any] = {}
        self.hearing: dict[Any, int] = {}
        self.has_warm_start: set[int] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def store_warm_start(self, files: Files) -> None:
        self.warm_start = {name: self.ray.put(content) for name, content in files.items()}

    def start(self, number: int) -> None:
        self.workers[number] = self.actor.remote(self.factory, self.plan, *self.shared)
        self.has_warm_start.discard(number)
        self.listen(number)

    def listen(self, number: int) -> None:
        self.hearing[self.workers[number].hear.remote()] = number

    def send(self, number: int, order: TrialTask | Prepare | bool) -> None:
        files: dict[str, Any] = {}
        if not isinstance(order, bool) and number not in self.has_warm_start:
            files = self.warm_start
            if files:
                self.has_warm_start.add(number)
        if number in self.workers:
            self.workers[number].give.remote(order, tuple(files), *files.values())

    def wait(self, timeout: float) -> list[tuple[int, Message | Died]]:
        if not self.hearing:
            return []
        waiting = list(self.hearing)
        ready, _ = self.ray.wait(waiting, num_returns=1, timeout=timeout)
        if ready:
            ready, _ = self.ray.wait(waiting, num_returns=len(waiting), timeout=0)
        said_by = {self.hearing.pop(said): said for said in ready}
        return [(number, self.heard(number, said_by[number])) for number in sorted(said_by)]

    def heard(self, number: int, said: Any) -> Message | Died:
        """A worker's word, its files put where the driver looks for them."""
        try:
            word, files = self.ray.get(said)
        except self.ray.exceptions.RayError as error:
            self.workers.pop(number, None)
            return Died(f"its actor is gone: {type(error).__name__}")
        self.listen(number)
        match word:
            case Baseline():
                self.has_warm_start.add(number)
                if not warm_start_files(self.plan.folder):
                    self.keep_warm_start(files)
            case TrialResult(checkpoint=Path() as name):
                unpack(self.plan.folder, files)
                return replace(word, checkpoint=self.plan.folder / name)
        said_word: Message = word
        return said_word

    def keep_warm_start(self, files: Files) -> None:
        """Into the study's folder, aside and renamed as a whole; and for the other workers."""
        if not files:
            return
        self.store_warm_start(files)
        folder = StudyPaths(self.plan.folder).warm_start.folder
        aside = folder.with_name(f".{folder.name}.tmp")
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        for name, content in files.items():
            (aside / Path(name).name).write_bytes(content)
        aside.rename(folder)

    def kill(self, number: int) -> None:
        self.end([number])

    def close(self) -> None:
        self.end(list(self.workers))

    def end(self, numbers: Iterable[int]) -> None:
        """End actors; those that do not in time, by force."""
        ending = {number: self.workers.pop(number) for number in numbers if number in self.workers}
        if not ending:
            return
        self.hearing = {said: n for said, n in self.hearing.items() if n not in ending}
        leaving = [worker.leave.remote() for worker in ending.values()]
        self.ray.wait(leaving, num_returns=len(leaving), timeout=LEAVING)
        for worker in ending.values():
            self.ray.kill(worker)
