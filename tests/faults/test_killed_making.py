"""`kill -9` while pairs are made: no process goes on, and the same command makes them all."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
from checking import wait_until
from PIL import Image
from skimage.data import astronaut

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
    (tmp_path / "portraits").mkdir()
    for number in range(3):
        shifted = np.roll(astronaut()[:160, 160:320], 30 * number, axis=0)
        Image.fromarray(shifted).save(tmp_path / "portraits" / f"{number}.png")
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


def made(folder: Path, place: str) -> list[Path]:
    return list(folder.glob(f"{place}/fields/*.npz"))
