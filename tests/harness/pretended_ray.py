"""Ray as far as our launcher uses it, in this process: an actor's calls are threads."""

import queue
import threading
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any


class ActorDiedError(Exception):
    """Of an actor that is gone."""


class Reference:
    """The result of a call, once it is there."""

    def __init__(self) -> None:
        self.result: queue.Queue[Any] = queue.Queue()

    def is_ready(self) -> bool:
        return not self.result.empty()


class Actor:
    """An object whose methods are called by `.remote`; `lost` ends all calls that wait."""

    def __init__(self, held: Any) -> None:
        self.held = held
        self.waiting: list[Reference] = []

    def __getattr__(self, name: str) -> Any:
        return SimpleNamespace(remote=lambda *args: self.call(name, args))

    def call(self, name: str, args: Sequence[Any]) -> Reference:
        reference = Reference()
        self.waiting.append(reference)

        def work() -> None:
            result = getattr(self.held, name)(*map(fetched, args))
            reference.result.put(result)

        threading.Thread(target=work, daemon=True).start()
        return reference

    def lose(self) -> None:
        for reference in self.waiting:
            reference.result.put(ActorDiedError("a node is gone"))


def fetched(given: Any) -> Any:
    """An argument as the actor gets it: Ray fetches what a reference stands for."""
    return given.result.queue[0] if isinstance(given, Reference) else given


class PretendedRay:
    """In place of the module."""

    exceptions = SimpleNamespace(RayError=ActorDiedError)

    def __init__(self) -> None:
        self.actors: list[Actor] = []
        self.killed: list[Actor] = []
        self.resources: dict[str, Any] = {}

    def remote(self, kind: type) -> Any:
        def make(*args: Any) -> Actor:
            self.actors.append(Actor(kind(*map(fetched, args))))
            return self.actors[-1]

        def options(**resources: Any) -> Any:
            self.resources = resources
            return SimpleNamespace(remote=make)

        return SimpleNamespace(options=options)

    def put(self, value: Any) -> Reference:
        reference = Reference()
        reference.result.put(value)
        return reference

    def get(self, reference: Reference) -> Any:
        result = reference.result.get()
        if isinstance(result, ActorDiedError):
            raise result
        return result

    def wait(
        self, waiting: list[Reference], num_returns: int, timeout: float
    ) -> tuple[list[Reference], list[Reference]]:
        pause = threading.Event()
        for _ in range(round(timeout / 0.005) + 1):
            ready = [reference for reference in waiting if reference.is_ready()]
            if len(ready) >= num_returns:
                break
            pause.wait(0.005)
        return ready, [reference for reference in waiting if reference not in ready]

    def kill(self, actor: Actor) -> None:
        self.killed.append(actor)
