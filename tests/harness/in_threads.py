"""Workers as threads of this process: they obey as real ones do, and cost no process to start."""

import queue
import threading
from typing import Any, Self

from harness.config.settings import TrialPlan
from harness.trials.launchers.launcher import Died
from harness.trials.messages import TrialTask
from harness.trials.worker import Message, Prepare, Preparing, RunnerFactory, obey


class WorkerDies(BaseException):
    """Raised by a runner whose worker is to end as a killed process does."""


class Lane:
    """One worker's pipe. `owes`: answers that its worker has still to give."""

    def __init__(self) -> None:
        self.orders: queue.Queue[Any] = queue.Queue()
        self.words: queue.Queue[Message | Died] = queue.Queue()
        self.owes = 1  # that it is ready

    def send(self, word: Message, /) -> None:
        self.words.put(word)

    def recv(self) -> Any:
        order = self.orders.get()
        if order is self:
            raise EOFError
        return order

    def close(self) -> None:
        self.orders.put(self)


class ThreadLauncher:
    """`harness.launch.launcher.Launcher` in one process, for runners that answer at once.

    What it hears does not depend on which thread is quicker: it waits for every busy worker.
    """

    def __init__(self, factory: RunnerFactory, plan: TrialPlan) -> None:
        self.factory = factory
        self.plan = plan
        self.lanes: dict[int, Lane] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self, number: int) -> None:
        self.lanes[number] = lane = Lane()
        threading.Thread(target=self.live, args=(lane,), daemon=True).start()

    def live(self, lane: Lane) -> None:
        try:
            obey(lane, self.factory, self.plan)
        except WorkerDies:
            lane.words.put(Died("killed by signal 9"))
        else:
            lane.words.put(Died("exit code 0"))

    def send(self, number: int, order: TrialTask | Prepare | bool) -> None:
        if number in self.lanes:
            self.lanes[number].orders.put(order)
            self.lanes[number].owes += 1

    def wait(self, timeout: float) -> list[tuple[int, Message | Died]]:
        busy = sorted(number for number, lane in self.lanes.items() if lane.owes)
        assert busy, "the driver waits, and no worker has anything to say"
        return [(number, self.hear(number)) for number in busy]

    def hear(self, number: int) -> Message | Died:
        lane = self.lanes[number]
        word = lane.words.get()
        lane.owes -= not isinstance(word, Preparing)
        if isinstance(word, Died):
            del self.lanes[number]
        return word

    def kill(self, number: int) -> None:
        if number in self.lanes:
            self.lanes.pop(number).close()

    def close(self) -> None:
        for number in list(self.lanes):
            self.kill(number)
