"""Something done in a process of its own, which may end at any moment."""

import gc
import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

PATIENCE = 100.0  # seconds until a process that says nothing is taken for one that hangs


@dataclass(frozen=True)
class Killed:
    """The process ended before it had said how it went."""


class Forked:
    """A forked process: begins with all that this one has imported, and shares nothing with it.

    Args:
        act: what it does, with its end of a pipe; what `act` returns is the last that is heard.
    """

    def __init__(self, act: Callable[[Connection], Any]) -> None:
        self.pipe, theirs = multiprocessing.Pipe()
        self.pid = os.fork()
        if self.pid == 0:
            self.pipe.close()
            live(act, theirs)
        theirs.close()

    def hear(self) -> Any:
        """The next that it says; `Killed` where it ended instead."""
        if not self.pipe.poll(PATIENCE):
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            raise AssertionError(f"nothing was heard for {PATIENCE:.0f} s: it hangs")
        try:
            return self.pipe.recv()
        except EOFError:
            return Killed()

    def end(self) -> Any:
        """The last that it says, and its end."""
        said = self.hear()
        self.wait()
        if isinstance(said, BaseException):
            raise said
        return said

    def wait(self) -> None:
        """Until it is no more, of one that has said its last."""
        os.waitpid(self.pid, 0)
        self.pipe.close()


def live(act: Callable[[Connection], Any], pipe: Connection) -> None:
    """The forked process's whole life: it never returns into what it was forked from."""
    gc.disable()  # a look for garbage would copy every page of what it was forked from
    try:
        try:
            said = act(pipe)
        except BaseException:
            said = AssertionError(f"in the forked process:\n{traceback.format_exc()}")
        pipe.send(said)
    finally:
        os._exit(0)


def in_a_process(act: Callable[[], Any]) -> Any:
    """What `act` returns, done elsewhere: no cache or connection of it stays here."""
    return Forked(lambda _: act()).end()
