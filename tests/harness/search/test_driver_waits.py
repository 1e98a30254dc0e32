"""How long the driver waits for a silent worker, and which time counts for a trial."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
from driver_scenes import RUNG, Scene, planned, preparing, starting, turned, working
from optuna.trial import TrialState

from harness.errors import HarnessError
from harness.search.driver import TICK, Driver
from harness.search.recorder import LIMIT_WITHOUT_PACE
from harness.search.worker_startup import MAX_STARTS, SILENT, Start
from harness.trials.launchers.launcher import Died
from harness.trials.messages import TrialResult
from harness.trials.worker import Message, Prepare, Preparing, Ready


def listen(driver: Driver, seconds: float) -> None:
    """As the driver's loop does, for so long."""
    for _ in range(round(seconds / TICK)):
        driver.note_waiting(TICK)


@pytest.mark.parametrize(
    ("state", "options", "limit"),
    [
        (starting, {}, 3600.0),
        (preparing, {}, 3600.0),
        (preparing, {"trial_timeout": 600.0}, 600.0),
    ],
)
def test_a_worker_that_is_silent_before_it_takes_trials_is_replaced_and_then_given_up(
    tmp_path: Path, state: Callable[[Path], Scene], options: dict[str, float], limit: float
) -> None:
    made = state(tmp_path)
    config = made.driver.plan.config.model_copy(update=options)
    object.__setattr__(made.driver.plan, "config", config)
    ready = made.driver.starting[0].ready
    for attempt in range(1, MAX_STARTS + 1):
        start = made.driver.starting[0]
        listen(made.driver, limit)
        made.driver.end_hung()
        assert made.driver.starting[0] is start
        if ready:
            made.hear(Preparing(attempt, 6))  # a sign of life
            listen(made.driver, limit)
            made.driver.end_hung()
            assert made.driver.starting[0] is start
        listen(made.driver, TICK)
        if attempt == MAX_STARTS:
            with pytest.raises(HarnessError, match=rf"hung: no message for {limit:.0f} s"):
                made.driver.end_hung()
        else:
            made.driver.starting.pop(1, None)  # the other one, which starts as well
            made.driver.end_hung()
            assert made.driver.starting[0] is not start
            if ready:
                assert made.launcher.orders[-1] == (0, Prepare())
                made.hear(Ready())


def test_a_first_trial_that_never_says_anything_fails_in_the_end(tmp_path: Path) -> None:
    made = working(tmp_path)
    made.driver.jobs[0].listened = LIMIT_WITHOUT_PACE
    made.driver.end_hung()
    assert 0 in made.driver.jobs
    listen(made.driver, TICK)
    made.driver.end_hung()
    (trial,) = made.driver.phase.study.get_trials(states=(TrialState.FAIL,))
    assert trial.user_attrs["reason"] == f"hung: no end after {LIMIT_WITHOUT_PACE:.0f} s"


def test_the_pace_of_the_warm_start_says_how_long_a_first_trial_may_take(tmp_path: Path) -> None:
    """30 steps of 40 s each, shared by two workers: ten times 2400 s are too long, not one."""
    made = preparing(tmp_path)
    for step in range(1, 5):
        made.hear(Preparing(step, 6))
        listen(made.driver, 40.0)
    made.hear(Preparing(5, 6))
    assert made.driver.recorder.time_limit() == pytest.approx(10 * 30 * 40 * 2)


def test_the_pace_of_a_trial_s_rungs_says_it_too_and_is_known_to_the_finalists(
    tmp_path: Path,
) -> None:
    made = working(tmp_path)
    made.driver.jobs[0].began -= 10_000.0  # for ten steps of thirty
    made.hear(RUNG)
    limit = made.driver.recorder.time_limit()
    assert limit == pytest.approx(10 * 30 * 1000, rel=0.01)
    assert turned(made).driver.recorder.time_limit() == pytest.approx(1.5 * limit, rel=0.01)


def test_a_worker_waits_for_a_place_on_a_cluster_however_long(tmp_path: Path) -> None:
    plan = planned(tmp_path, launcher="ray")
    assert Start().silence_limit(plan) == math.inf
    assert Start(ready=True).silence_limit(plan) == SILENT


def test_time_in_which_the_driver_did_not_run_is_no_trial_s_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-Z and fg, a laptop's sleep, a paused container: one wait takes 70 s instead of 0.25."""
    now = 1000.0
    made = working(tmp_path)
    config = made.driver.plan.config.model_copy(update={"trial_timeout": 60.0})
    object.__setattr__(made.driver.plan, "config", config)
    script: list[tuple[float, list[tuple[int, Message | Died]]]] = [
        (70.0, []),
        (0.25, [(0, RUNG)]),
        (0.25, [(0, TrialResult(RUNG, (), None))]),
    ]

    def wait(timeout: float) -> list[tuple[int, Message | Died]]:
        nonlocal now
        seconds, said = script.pop(0)
        now += seconds
        return said

    made.driver.jobs[0].began = now
    monkeypatch.setattr("harness.search.driver.time.monotonic", lambda: now)
    monkeypatch.setattr(made.launcher, "wait", wait)
    made.driver.run(lambda: not script)
    (trial,) = made.driver.phase.study.get_trials(states=(TrialState.COMPLETE,))
    assert trial.user_attrs["seconds"] == pytest.approx(0.75)
    assert made.driver.starting[1].silent == pytest.approx(0.75)
