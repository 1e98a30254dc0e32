"""Searches in processes of their own, and what must hold after any fault."""

import os
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
import psutil
import yaml
from optuna.trial import FrozenTrial, TrialState
from striking import forked_by

from harness.tracking.client import quiet_client
from reports.record.queries import trials_by_score

HERE = Path(__file__).parent
ROOT = HERE.parent.parent

Process = subprocess.Popen[bytes]


@contextmanager
def started(folder: Path, *options: str) -> Iterator[Process]:
    """A driver process: see drive.py for its options. What it prints is in `folder`.out.

    It leads a process group of its own, as a command in a terminal does.
    """
    path = os.pathsep.join([str(ROOT), str(HERE.parent / "harness"), str(HERE)])
    with folder.with_suffix(".out").open("ab") as out:
        driver = subprocess.Popen(
            [sys.executable, str(HERE / "drive.py"), str(folder), *options],
            env={**os.environ, "PYTHONPATH": path},
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield driver
    finally:
        driver.kill()
        driver.wait()


def wait_until(true: Callable[[], bool], seconds: float = 240.0) -> None:
    """Wait for something that will be; a test fails where it never is."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


def workers_of(driver: Process) -> list[psutil.Process]:
    """The worker processes of a driver that lives."""
    return forked_by(driver.pid)


def began(folder: Path) -> int:
    """How many trials were begun so far, the repeated ones counted again."""
    file = folder / "fake" / "ran.txt"
    return len(file.read_text().splitlines()) if file.exists() else 0


def trials(folder: Path) -> list[FrozenTrial]:
    study = optuna.load_study(study_name="fake", storage=f"sqlite:///{folder}/optuna.db")
    return study.get_trials()


def check_whole(folder: Path) -> None:
    """What must hold at every moment, whoever was killed."""
    best = folder / "fake" / "best.yaml"
    if best.exists():
        assert yaml.safe_load(best.read_text())["schema"] == 1
    for name in ("optuna.db", "mlflow.db"):
        if (folder / name).exists():
            database = sqlite3.connect(folder / name)
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            database.close()


def check_finished(folder: Path, budget: int, kills: int) -> None:
    """What must hold once the search has come to its end after so many kills."""
    check_whole(folder)
    done = trials(folder)
    assert len(done) == budget
    assert {trial.state for trial in done} <= {TrialState.COMPLETE, TrialState.PRUNED}
    settings = Counter(
        str(sorted(trial.params.items())) for trial in done if "recipe" not in trial.user_attrs
    )
    assert max(settings.values()) == 1
    lines = (folder / "fake" / "ran.txt").read_text().splitlines()
    runs = Counter(int(line.split()[0]) for line in lines)
    assert set(runs) == set(range(budget))
    # A kill interrupts at most the two trials that run; those alone may run again.
    assert sum(runs.values()) <= budget + 2 * kills
    assert len(set(lines)) == budget, "a trial ran again with other values"

    study = optuna.load_study(study_name="fake", storage=f"sqlite:///{folder}/optuna.db")
    top = trials_by_score(study)[:3]
    best = yaml.safe_load((folder / "fake" / "best.yaml").read_text())
    assert best["trial"] == top[0].number
    kept = {file.name for file in (folder / "fake" / "checkpoints").glob("t*")}
    assert kept == {f"t{trial.number:03d}_net_G.pth" for trial in top}


def check_mirror(folder: Path, uri: str | None = None) -> None:
    """Every trial of the record has one run in MLflow, with its state and an end."""
    client = quiet_client(uri or f"sqlite:///{folder}/mlflow.db")
    experiment = client.get_experiment_by_name("fake")
    assert experiment is not None
    mirrored = client.search_runs([experiment.experiment_id], max_results=1000)
    children = [run for run in mirrored if "trial" in run.data.tags]
    record = {trial.number: trial for trial in trials(folder)}
    assert sorted(int(run.data.tags["trial"]) for run in children) == list(record)
    for run in children:
        trial = record[int(run.data.tags["trial"])]
        assert run.data.tags["state"] == trial.state.name.lower()
        assert run.data.params["gan_mode"] == trial.user_attrs["params"]["gan_mode"]
        assert run.data.params["lr"] == str(trial.user_attrs["params"]["lr"])
    ended = ("FINISHED", "KILLED")
    assert [run.info.run_name for run in mirrored if run.info.status not in ended] == []
