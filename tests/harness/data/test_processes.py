"""Processes that read and make pictures: none outlives the command, which alone handles signals."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import psutil
import pytest

from harness.console.signals import STOPPED_BY_USER
from harness.data.files import processes
from harness.data.files.processes import pooled, processes_for, with_progress
from harness.errors import HarnessError

COMMAND = """
import sys
from time import sleep
from harness.data.files.processes import parallel_map
from harness.console.signals import stopping_on_signals, interrupt

if __name__ == "__main__":
    try:
        with stopping_on_signals(interrupt):
            print(list(parallel_map(sleep, map(float, sys.argv[1:]), 2)))
    except KeyboardInterrupt:
        sys.exit(130)
"""


def started(folder: Path, *seconds: float) -> "subprocess.Popen[str]":
    """A command whose two processes sleep, one item after the other; it leads a process group."""
    script = folder / "command.py"
    script.write_text(COMMAND)
    return subprocess.Popen(
        [sys.executable, str(script), *map(str, seconds)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def two_of(command: "subprocess.Popen[str]") -> list[psutil.Process]:
    """Its two processes, as soon as they exist."""
    while True:
        assert command.poll() is None
        below = psutil.Process(command.pid).children()
        found = [each for each in below if "spawn_main" in " ".join(each.cmdline())]
        if len(found) == 2:
            return found


def test_of_many_items_every_tenth_is_remarked_on() -> None:
    for total, expected in ((10, []), (25, [10, 20]), (200, [*range(20, 200, 20)])):
        said: list[str] = []
        assert list(with_progress(range(total), total, "are read", said.append)) == [*range(total)]
        assert said == [f"{number} of {total} are read." for number in expected]


def test_few_items_are_worth_no_process_and_each_has_a_core(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(processes, "available_cores", lambda: 4)
    items = (0, 7, 8, 15, 16, 31, 32, 10_000)
    assert [processes_for(count) for count in items] == [1, 1, 1, 1, 2, 3, 4, 4]


def test_a_process_that_was_ended_is_one_sentence() -> None:
    with pytest.raises(HarnessError, match="most likely because memory ran out"), pooled(2):
        raise BrokenProcessPool("a child process terminated abruptly")


def check_ended(processes: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(processes, timeout=60)
    for each in alive:
        each.kill()
    assert not alive


def test_no_process_outlives_a_killed_command(tmp_path: Path) -> None:
    with started(tmp_path, 0, 0, 600) as command:  # one is busy and one waits for work
        processes = two_of(command)
        command.kill()
    check_ended(processes)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_its_processes_ends_none_of_them(
    tmp_path: Path, number: signal.Signals
) -> None:
    """From their first moment, when they have run no line of this project."""
    with started(tmp_path, 0, 0) as command:
        for process in two_of(command):
            process.send_signal(number)
        assert command.communicate(timeout=60) == ("[None, None]\n", "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_whole_group_ends_the_command_in_order(
    tmp_path: Path, number: signal.Signals
) -> None:
    with started(tmp_path, 0, 0, *[0.2] * 1000) as command:
        processes = two_of(command)
        for _ in range(2):
            os.killpg(command.pid, number)
            time.sleep(0.002)  # as GNU timeout
        assert command.communicate(timeout=60) == ("", "")
        assert command.returncode == STOPPED_BY_USER
    check_ended(processes)
