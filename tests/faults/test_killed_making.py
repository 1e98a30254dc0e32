"""Signals while pairs are made: no process goes on, and the same command makes them all."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from checking import wait_until
from PIL import Image
from skimage.data import astronaut

from harness.console.signals import STOP_SIGNALS, STOPPED_BY_USER
from harness.data.files.pair_folders import find_pairs

PAIRS = 100
COMMANDS = {
    "data make": f"""
from harness.data.synthesis.make_pairs import MakePlan, make_pairs
make_pairs(Path("portraits"), {PAIRS}, MakePlan(Path("pairs"), 160, seed=0), processes=2)
""",
    "search --originals": """
from harness.data.synthesis.made_for_search import made_for_search
made_for_search(Path("portraits"), Path("."), 128)
""",
}


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_a_killed_making_leaves_no_process_and_is_made_again(tmp_path: Path, command: str) -> None:
    write_portraits(tmp_path)
    words = [sys.executable, "-c", f"from pathlib import Path\n{command}"]
    for at_least in (1, PAIRS // 2):
        with subprocess.Popen(words, cwd=tmp_path) as making:
            wait_until(lambda least=at_least: len(made(tmp_path, ".*.making")) >= least)
            processes = psutil.Process(making.pid).children(recursive=True)
            making.kill()
        assert len(processes) >= 2
        assert not psutil.wait_procs(processes, timeout=60)[1]
        assert len(made(tmp_path, ".*.making")) < PAIRS
        assert not made(tmp_path, "[!.]*")
    subprocess.run(words, cwd=tmp_path, check=True)
    assert len(made(tmp_path, "[!.]*")) == PAIRS
    assert not list(tmp_path.glob(".*.making"))
    (data,) = (file.parent for file in tmp_path.glob("*/made.jsonl"))
    assert sum(map(len, find_pairs(data).splits.values())) == PAIRS
    assert len((data / "made.jsonl").read_text().splitlines()) == PAIRS


@pytest.mark.slow
@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_a_making_that_is_stopped_leaves_nothing(tmp_path: Path, number: int) -> None:
    """Whatever it does at that moment, also while it imports its libraries."""
    write_portraits(tmp_path)
    main = "from harness.cli.app import main; main()"
    words = ["data", "make", "--originals", "portraits", "--out", "pairs", "--pairs", str(PAIRS)]
    for begun in (None, 0, 1, PAIRS // 2):
        with subprocess.Popen(
            [sys.executable, "-c", main, *words, "--size", "160"],
            cwd=tmp_path,
            stderr=subprocess.PIPE,
            start_new_session=True,
        ) as making:
            if begun is None:
                wait_until(lambda process=making: handles(process.pid, signal.SIGTERM))
            else:
                place = tmp_path / ".pairs.making"
                wait_until(
                    lambda least=begun, place=place: (
                        place.exists() and len(made(tmp_path, place.name)) >= least
                    )
                )
            processes = psutil.Process(making.pid).children(recursive=True)
            for _ in range(2):
                os.killpg(making.pid, number)
                time.sleep(0.002)  # as GNU timeout
            _, said = making.communicate(timeout=120)
        # The second signal may find Python shutting down, and its handlers gone.
        assert making.returncode in {STOPPED_BY_USER, -number if begun is None else None}
        assert b"Traceback" not in said
        assert not psutil.wait_procs(processes, timeout=60)[1]
        assert [file.name for file in tmp_path.iterdir()] == ["portraits"]


def write_portraits(folder: Path) -> None:
    (folder / "portraits").mkdir()
    for number in range(3):
        shifted = np.roll(astronaut()[:160, 160:320], 30 * number, axis=0)
        Image.fromarray(shifted).save(folder / "portraits" / f"{number}.png")


def handles(process: int, number: int) -> bool:
    """Whether a process has a handler for a signal."""
    status = Path(f"/proc/{process}/status").read_text()
    return bool(int(status.partition("SigCgt:")[2].split()[0], 16) >> (number - 1) & 1)


def made(folder: Path, place: str) -> list[Path]:
    return list(folder.glob(f"{place}/fields/*.npz"))
