"""kill -9 of a worker, of the driver, or of both, at any moment; then the search goes on."""

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest
from checking import (
    Process,
    began,
    check_finished,
    check_mirror,
    check_whole,
    started,
    wait_until,
    workers_of,
)

# The driver's own steps, in the order in which a search and then a trial pass them. What writes
# best.yaml is among the first, while every trial is one of the guide's and has it written anew.
STAGES = [
    "harness.study.study:create_study:before:1",
    "optuna:Study.enqueue_trial:after:3",
    "harness.study.study:create_study:after:1",
    "harness.search.retention:Retention.write_best:before:2",
    "reports.export.best_yaml:as_yaml:after:2",
    "optuna:Study.ask:after:1",
    "harness.search.driver:Driver.begin:before:2",
    "optuna.trial:Trial.report:before:2",
    "optuna.trial:Trial.report:after:5",
    "harness.search.recorder:Recorder.tell:before:1",
    "optuna:Study.tell:before:2",
    "optuna:Study.tell:after:1",
    "harness.tracking.outbox:Outbox.put:before:4",
    "harness.tracking.outbox:Outbox.put:after:4",
]

# Those of the thread that tells MLflow.
MIRROR_STAGES = [
    "mlflow.store.db.utils:_upgrade_db:before:1",
    "alembic.operations:Operations.create_table:after:2",
    "mlflow:MlflowClient.create_experiment:after:1",
    "mlflow:MlflowClient.create_run:after:1",
    "mlflow:MlflowClient.create_run:after:2",
    "mlflow:MlflowClient.log_batch:before:3",
    "mlflow.store.artifact.local_artifact_repo:LocalArtifactRepository.log_artifacts:before:2",
    "harness.tracking.store:MlflowStore.write:after:1",
    "mlflow:MlflowClient.set_terminated:before:1",
    "mlflow:MlflowClient.set_terminated:after:1",
]
MORE = 5  # trials that each driver has to do: more than the recipes, in two drivers


def die_one_after_the_other(folder: Path, stages: list[str], *options: str) -> int:
    """A driver for each stage, each going on where the last was killed; then one to the end.

    Each has some more trials to do, whatever those before it came to do; all are counted.
    """
    for number, stage in enumerate(stages):
        folder.with_suffix(".struck").unlink(missing_ok=True)
        budget = ("--budget", str(MORE * (number + 1)))
        with started(folder, "--strike-at", stage, *budget, *options) as driver:
            assert driver.wait(timeout=300) == -signal.SIGKILL, stage
        check_whole(folder)
    budget = ("--budget", str(MORE * (len(stages) + 1)))
    with started(folder, *budget, *options) as driver:
        assert driver.wait(timeout=280) == 0
    return int(budget[1])


def test_a_driver_killed_at_the_end_of_a_trial_loses_nothing(tmp_path: Path) -> None:
    stages = ["optuna:Study.tell:after:3"]
    options = ("--runner", "Instant", "--unmirrored")
    budget = die_one_after_the_other(tmp_path / "runs", stages, *options)
    check_finished(tmp_path / "runs", budget, kills=len(stages))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("stages", [STAGES, MIRROR_STAGES], ids=["driver", "mirror"])
def test_a_driver_killed_at_any_stage_loses_nothing(tmp_path: Path, stages: list[str]) -> None:
    budget = die_one_after_the_other(tmp_path / "runs", stages, "--runner", "Instant")
    check_finished(tmp_path / "runs", budget, kills=len(stages))
    check_mirror(tmp_path / "runs")


def kill_at_random(driver: Process, folder: Path, chance: random.Random) -> bool:
    """Kill the driver, a worker, or both, mostly while trials run. False: the search had ended."""
    before = began(folder)
    if chance.random() < 0.8:  # the others are killed while they start
        wait_until(lambda: began(folder) > before or driver.poll() is not None)
    try:
        driver.wait(timeout=chance.uniform(0.0, 2.0))
        return False
    except subprocess.TimeoutExpired:
        workers = workers_of(driver)
    what = chance.choice(["worker", "driver", "both"])
    victims = [chance.choice(workers).pid] if workers and what != "driver" else []
    for victim in [*victims, *([driver.pid] if what != "worker" else [])]:
        os.kill(victim, signal.SIGKILL)
    if what == "worker":
        time.sleep(chance.uniform(0.0, 2.0))  # its driver goes on for a while, and is killed too
        driver.kill()
    driver.wait()
    _, outlived = psutil.wait_procs(workers, timeout=10)
    assert not outlived, "a worker outlived its driver"
    return True


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_thirty_kills_at_random_moments_lose_nothing(tmp_path: Path) -> None:
    chance = random.Random(30)
    folder, kills = tmp_path / "runs", 0
    while kills < 30:
        # More than any driver comes to do before it is killed.
        with started(folder, "--budget", str(began(folder) + 500)) as driver:
            assert kill_at_random(driver, folder, chance), "the budget was reached too early"
            kills += 1
        check_whole(folder)
    budget = began(folder) + 4 * MORE
    with started(folder, "--budget", str(budget)) as driver:
        assert driver.wait(timeout=600) == 0
    check_finished(folder, budget, kills=2 * kills)
    check_mirror(folder)
