"""No process that a trial's program started outlives the trial, whoever is killed."""

import itertools
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import torch
from test_external import followed

from harness.config.profiles import QUICK
from harness.config.settings import Repository
from harness.console.signals import blocked_in_children
from harness.data.pairs.pair_set import Dataset
from harness.errors import HarnessError, UserInputError
from harness.paths import StudyPaths
from harness.trials.external.external_trial import train_with
from harness.trials.external.process import MARK, end_left_over, follow
from harness.trials.messages import TrialTask
from tests.harness.trials.test_trial import PARAMS, pairs

HERE = Path(__file__).parent

TREE = """
import os, pathlib, signal, subprocess, sys, time
import psutil
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
apart = subprocess.Popen(["sleep", "1000"], start_new_session=True)
shell = psutil.Process(os.getppid())
warden = shell.parent()
worker = warden.parent()
pathlib.Path("pids").write_text(f"{os.getpid()} {child.pid} {apart.pid} {shell.pid} {warden.pid}")
VICTIM.kill()
time.sleep(1000)
"""


def alive(number: int) -> bool:
    """Whether a process has not ended within some seconds."""
    try:
        process = psutil.Process(number)
        process.wait(timeout=10)
    except psutil.NoSuchProcess:
        return False
    except psutil.TimeoutExpired:
        return process.status() != psutil.STATUS_ZOMBIE
    return False


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives orphans to the warden")
def test_nothing_that_it_started_outlives_the_worker_that_started_it(tmp_path: Path) -> None:
    """A shell script runs the program, which has a child in a session of its own too."""
    (tmp_path / "train.py").write_text(TREE.replace("VICTIM", "worker"))
    worker = (
        "import sys\n"
        "from dataclasses import replace\n"
        "from pathlib import Path\n"
        "from harness.trials.external.process import follow\n"
        "from test_external import followed\n"
        "program = followed(Path.cwd(), Path.cwd() / 'run')\n"
        "program = replace(program, command=['sh', '-c', f'{sys.executable} train.py; true'])\n"
        "next(follow(program, {1: 1}, 'cpu'))"
    )
    path = os.pathsep.join(map(str, (HERE, HERE.parents[1], HERE.parents[3])))
    ended = subprocess.run(
        [sys.executable, "-c", worker], cwd=tmp_path, env={**os.environ, "PYTHONPATH": path}
    )
    assert ended.returncode == -signal.SIGKILL
    numbers = (tmp_path / "pids").read_text().split()
    assert len(numbers) == 5
    assert not [number for number in numbers if alive(int(number))]


def test_what_even_the_warden_did_not_end_is_ended_before_its_folder_is_used_again(
    tmp_path: Path,
) -> None:
    (tmp_path / "train.py").write_text(TREE.replace("VICTIM", "warden"))
    command = ["sh", "-c", f"{sys.executable} train.py; true"]
    program = replace(followed(tmp_path, tmp_path / "run"), command=command)
    with pytest.raises(HarnessError, match="exit code -9"):
        next(follow(program, {1: 1}, "cpu"))
    _, child, apart, *_ = map(int, (tmp_path / "pids").read_text().split())
    assert psutil.pid_exists(child)
    assert psutil.pid_exists(apart)
    with subprocess.Popen(["sleep", "1000"], env={MARK: str(tmp_path / "other")}) as other:
        end_left_over(tmp_path / "run")
        assert not alive(child)
        assert not alive(apart)
        assert other.poll() is None
        other.kill()


def test_a_run_begins_in_a_folder_that_nothing_writes_to_any_more(tmp_path: Path) -> None:
    paths = StudyPaths(tmp_path)
    run = paths.external.run("t007")
    run.mkdir(parents=True)
    dataset = Dataset(pairs(2, 0), pairs(3, 1), pairs(1, 2), "digest")
    left = subprocess.Popen(["sleep", "1000"], env={MARK: str(run)})
    repository = Repository(folder=tmp_path, python=sys.executable, options=(), silence=30)
    task = TrialTask(7, PARAMS, seed=0)
    with pytest.raises(UserInputError, match="of the warm start is missing"):
        next(train_with(repository, task, QUICK, dataset, paths, "cpu", paths.warm_start))
    left.wait(timeout=10)


def test_a_program_is_not_silent_while_nobody_could_hear_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-Z, a paused container: an hour passes at every look at the time."""
    hours = itertools.count(0, 3600)
    (tmp_path / "train.py").write_text(
        "import pathlib, time\n"
        "time.sleep(0.3)\n"
        "pathlib.Path('run/1_net_G.pth').write_bytes(b'')\n"
        "time.sleep(0.3)\n"
    )
    program = replace(followed(tmp_path, tmp_path / "run"), load=lambda _: torch.nn.Identity())
    with monkeypatch.context() as patched:
        patched.setattr("harness.trials.external.process.time.monotonic", lambda: next(hours))
        assert [progress.step for progress in follow(program, {1: 3}, "cpu")] == [3]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_program_has_the_signals_that_its_worker_blocks(
    tmp_path: Path, number: signal.Signals
) -> None:
    """One that saves on SIGTERM does, and `kill` ends any other."""
    (tmp_path / "train.py").write_text(
        f"import os, signal\nsignal.signal({number}, signal.SIG_DFL)\n"
        f"os.kill(os.getpid(), {number})\n"
    )
    program = followed(tmp_path, tmp_path / "run")
    with (
        blocked_in_children(),  # as a worker is started
        pytest.raises(HarnessError, match=f"exit code {128 + number}"),
    ):
        next(follow(program, {1: 1}, "cpu"))
