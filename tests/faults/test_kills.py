"""kill -9 of a worker, of the driver, or of both, at random moments; then the search goes on."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
import psutil
import pytest
import yaml
from optuna.trial import TrialState

from harness.tracking import quiet_client

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
BUDGET = 20


@contextmanager
def started(folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A driver process with two workers and trials of some tenths of a second."""
    path = os.pathsep.join([str(ROOT), str(HERE.parent / "harness")])
    driver = subprocess.Popen(
        [sys.executable, str(HERE / "drive.py"), str(folder), "2", str(BUDGET), "Slow"],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.DEVNULL,
    )
    try:
        yield driver
    finally:
        driver.kill()
        driver.wait()


def kill_at_random(driver: "subprocess.Popen[bytes]", what: str, chance: random.Random) -> None:
    """Kill the driver, one of its workers, or both, after a random while of its running."""
    try:
        driver.wait(timeout=chance.uniform(1.0, 5.0))
        return
    except subprocess.TimeoutExpired:
        workers = [
            child
            for child in psutil.Process(driver.pid).children()
            if "spawn_main" in " ".join(child.cmdline())
        ]
    victims = [chance.choice(workers).pid] if workers and what != "driver" else []
    for victim in [*victims, *([driver.pid] if what != "worker" else [])]:
        os.kill(victim, signal.SIGKILL)
    if what != "worker":
        driver.wait()
        psutil.wait_procs(workers, timeout=10)
        assert not [worker for worker in workers if worker.is_running()], "a worker outlived it"


def check_whole(folder: Path) -> None:
    """What must hold after any fault, at every moment."""
    best = folder / "fake" / "best.yaml"
    if best.exists():
        assert yaml.safe_load(best.read_text())["schema"] == 1
    for name in ("optuna.db", "mlflow.db"):
        if (folder / name).exists():
            database = sqlite3.connect(folder / name)
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            database.close()


def check_finished(folder: Path, kills: int) -> None:
    """What must hold once the search has come to its end."""
    study = optuna.load_study(study_name="fake", storage=f"sqlite:///{folder}/optuna.db")
    trials = study.get_trials()
    assert len(trials) == BUDGET
    assert {trial.state for trial in trials} <= {TrialState.COMPLETE, TrialState.PRUNED}
    settings = Counter(
        str(sorted(trial.params.items())) for trial in trials if "recipe" not in trial.user_attrs
    )
    assert max(settings.values()) == 1
    runs = Counter(int(line.split()[0]) for line in (folder / "fake" / "ran.txt").open())
    assert set(runs) == set(range(BUDGET))
    assert sum(runs.values()) <= BUDGET + 2 * kills

    client = quiet_client(f"sqlite:///{folder}/mlflow.db")
    experiment = client.get_experiment_by_name("fake")
    assert experiment is not None
    mirrored = client.search_runs([experiment.experiment_id], max_results=1000)
    children = [run for run in mirrored if "trial" in run.data.tags]
    assert sorted(int(run.data.tags["trial"]) for run in children) == list(range(BUDGET))
    for run in children:
        trial = trials[int(run.data.tags["trial"])]
        assert run.data.tags["state"] == trial.state.name.lower()
    assert {run.info.status for run in mirrored} <= {"FINISHED", "KILLED"}


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kills", [1, pytest.param(30, marks=pytest.mark.slow)])
def test_nothing_is_lost_or_run_twice(tmp_path: Path, kills: int) -> None:
    chance = random.Random(kills)
    for _ in range(kills):
        with started(tmp_path) as driver:
            kill_at_random(driver, chance.choice(["worker", "driver", "both"]), chance)
            time.sleep(chance.uniform(0.0, 1.0))
        check_whole(tmp_path)
    with started(tmp_path) as driver:
        assert driver.wait(timeout=280) == 0
    check_whole(tmp_path)
    check_finished(tmp_path, kills=2 * kills)
