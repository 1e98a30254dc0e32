"""Workers as threads of this process: they run orders as real ones do, but start at once."""

import queue
import threading
from typing import Any

from harness.config.settings import TrialPlan
from harness.trials.launchers.launcher import Died
from harness.trials.messages import Answer, TrialTask
from harness.trials.worker import Message, Prepare, Preparing, RunnerFactory, run_orders


class WorkerDies(BaseException):
    """Raised by a runner to end its worker like a killed process."""


class Lane:
    """The pipe of one worker. `owes`: messages that the worker has yet to send."""

    def __init__(self) -> None:
        self.orders: queue.Queue[Any] = queue.Queue()
        self.messages: queue.Queue[Message | Died] = queue.Queue()
        self.owes = 1  # Ready

    def send(self, message: Message, /) -> None:
        self.messages.put(message)

    def recv(self) -> Any:
        order = self.orders.get()
        if order is self:
            raise EOFError
        return order

    def close(self) -> None:
        self.orders.put(self)


class ThreadLauncher:
    """A `Launcher` in one process, for runners that answer at once.

    The order of messages does not depend on thread timing: it waits for every busy worker.
    """

    def __init__(self, factory: RunnerFactory, plan: TrialPlan) -> None:
        self.factory = factory
        self.plan = plan
        self.lanes: dict[int, Lane] = {}

    def start(self, number: int) -> None:
        self.lanes[number] = lane = Lane()
        threading.Thread(target=self.live, args=(lane,), daemon=True).start()

    def live(self, lane: Lane) -> None:
        try:
            run_orders(lane, self.factory, self.plan)
        except WorkerDies:
            lane.messages.put(Died("killed by signal 9"))
        else:
            lane.messages.put(Died("exit code 0"))

    def send(self, number: int, order: TrialTask | Prepare | Answer) -> None:
        if number in self.lanes:
            self.lanes[number].orders.put(order)
            self.lanes[number].owes += 1

    def wait(self, timeout: float) -> list[tuple[int, Message | Died]]:
        busy = sorted(number for number, lane in self.lanes.items() if lane.owes)
        assert busy, "the driver waits, and no worker has anything to say"
        return [(number, self.receive(number)) for number in busy]

    def receive(self, number: int) -> Message | Died:
        lane = self.lanes[number]
        message = lane.messages.get()
        lane.owes -= not isinstance(message, Preparing)
        if isinstance(message, Died):
            del self.lanes[number]
        return message

    def kill(self, number: int) -> None:
        if number in self.lanes:
            self.lanes.pop(number).close()

    def close(self) -> None:
        for number in list(self.lanes):
            self.kill(number)
