"""Processes that read and make pictures: none outlives the command that started it."""

import subprocess
import sys
from pathlib import Path

import psutil

COMMAND = """
from time import sleep
from harness.data.files.processes import each

if __name__ == "__main__":
    list(each(sleep, [0, 0, 600], 2))  # one is busy and one waits for work
"""


def test_no_process_outlives_a_killed_command(tmp_path: Path) -> None:
    script = tmp_path / "command.py"
    script.write_text(COMMAND)
    with subprocess.Popen([sys.executable, str(script)]) as command:
        driver = psutil.Process(command.pid)
        started: list[psutil.Process] = []
        while sum("spawn_main" in " ".join(each.cmdline()) for each in started) < 2:
            assert command.poll() is None
            started = driver.children(recursive=True)
        command.kill()
    _, alive = psutil.wait_procs(started, timeout=60)
    for each in alive:
        each.kill()
    assert not alive
