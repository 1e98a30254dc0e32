"""Ctrl-C, SIGTERM and a time limit: what runs goes back to the queue, and nothing outlives."""

import os
import signal
import time
from pathlib import Path

import psutil
import pytest
from checking import (
    began,
    check_finished,
    check_mirror,
    check_whole,
    started,
    trials,
    wait_until,
    workers_of,
)
from optuna.trial import TrialState

from harness.console.signals import SECOND_AFTER, STOPPED_BY_USER


def stop(
    folder: Path, number: int, *options: str, times: int = 1, seconds_apart: float = 0.002
) -> None:
    """Start a search, signal it once trials run, and see it end as stopped by the user."""
    before = began(folder)
    with started(folder, *options) as driver:
        wait_until(lambda: began(folder) >= before + 3)
        workers = workers_of(driver)
        for _ in range(times):
            os.killpg(driver.pid, number)  # terminals and schedulers signal the workers too
            time.sleep(seconds_apart)
        # A second signal that finds the search ended, and Python shutting down, ends the process.
        ends = {STOPPED_BY_USER} if times == 1 else {STOPPED_BY_USER, -number}
        assert driver.wait(timeout=120) in ends
        _, outlived = psutil.wait_procs(workers, timeout=10)
        assert not outlived, "a worker outlived its driver"
    check_whole(folder)


def test_sigterm_puts_running_trials_back(tmp_path: Path) -> None:
    options = ("--budget", "12", "--unmirrored")
    folder = tmp_path / "runs"
    stop(folder, signal.SIGTERM, *options, times=2)  # as GNU timeout sends it
    assert TrialState.RUNNING not in {trial.state for trial in trials(folder)}
    with started(folder, *options) as driver:
        assert driver.wait(timeout=240) == 0
    check_finished(folder, budget=12, kills=1)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_search_stopped_in_every_way_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    options = ("--budget", "60")
    stop(folder, signal.SIGINT, *options)
    assert TrialState.RUNNING not in {trial.state for trial in trials(folder)}
    stop(folder, signal.SIGTERM, *options)
    assert TrialState.RUNNING not in {trial.state for trial in trials(folder)}
    stop(folder, signal.SIGHUP, *options)
    assert TrialState.RUNNING not in {trial.state for trial in trials(folder)}
    stop(folder, signal.SIGINT, *options, times=2, seconds_apart=SECOND_AFTER + 0.2)
    with started(folder, *options) as driver:
        assert driver.wait(timeout=600) == 0
    check_finished(folder, budget=60, kills=4)
    check_mirror(folder)
