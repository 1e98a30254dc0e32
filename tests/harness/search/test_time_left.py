"""How long the rest of a search takes, from its record and from its events."""

import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from driving import make_plan
from hypothesis import given
from hypothesis import strategies as st
from optuna import Study
from optuna.trial import TrialState, create_trial

from harness.console.time_left import Durations, seconds_left
from harness.paths import RunPaths
from harness.search.result import outcome_of
from harness.search.status import status_lines
from harness.search.time_left import (
    TimeForFinalists,
    note_end_of_trials,
    note_undertaken,
    seconds_of,
    time_left,
)
from harness.study.locks import record_driver
from reports.record.study import StudyRecord
from tests.synthetic_studies import make_study

durations = st.lists(st.floats(0.1, 1000), max_size=30)


def test_nothing_is_known_before_a_trial_has_ended() -> None:
    assert seconds_left(10, 2, 2, Durations(running=[5.0])) is None


def test_trials_and_runs_that_are_left() -> None:
    took = Durations(ended=[10, 20, 30], complete=[20, 30], running=[5.0, 99.0])
    # 8 trials of 20 s each and 2 runs of one and a half complete trials, on two workers; one that
    # is running counts at most as a whole trial.
    assert seconds_left(8, 2, 2, took) == (8 * 20 + 2 * 1.5 * 25 - 5 - 20) / 2


def test_a_trial_takes_as_long_as_the_latest_twenty() -> None:
    """The guide's recipes, which come first, are never stopped early."""
    took = Durations(ended=[90.0] * 8 + [10.0] * 20, complete=[90.0] * 8 + [20.0] * 20)
    assert seconds_left(6, 2, 2, took) == (6 * 10 + 2 * 1.5 * 20) / 2


def test_the_runs_of_finalists_are_counted_by_their_own_durations() -> None:
    took = Durations(ended=[10], complete=[10], runs=[40, 60], running=[30.0])
    assert seconds_left(0, 3, 1, took) == 3 * 50 - 30


@given(ended=durations, runs=durations, left=st.integers(0, 99), jobs=st.integers(1, 64))
def test_more_to_do_takes_longer(
    ended: list[float], runs: list[float], left: int, jobs: int
) -> None:
    took = Durations(ended, ended, runs)
    now, later = (seconds_left(count, 1, jobs, took) for count in (left, left + 1))
    if now is None or later is None:
        assert now is later is None
    else:
        assert 0 <= now <= later


NOW = 1_800_000_000.0


def searched(*seconds: float) -> Study:
    """A study whose trials took so long, beside one that began five seconds ago."""
    study = make_study(0)
    note_undertaken(study, make_plan(Path("nowhere"), jobs=2, budget=10))
    noted = StudyRecord.of(study).undertaken
    assert noted is not None
    StudyRecord.note(study, undertaken=noted.model_copy(update={"began": NOW - 60}))
    for took in seconds:
        study.add_trial(create_trial(value=0.3, user_attrs={"seconds": took}))
    if seconds:
        study.add_trial(create_trial(state=TrialState.RUNNING))
        trial = study._storage.get_trial(study.get_trials()[-1]._trial_id)  # type: ignore[attr-defined]
        trial.datetime_start = datetime.fromtimestamp(NOW - 5)
    return study


def test_before_a_trial_has_ended_it_is_what_was_expected() -> None:
    study = searched()
    assert time_left(study, NOW) is None
    StudyRecord.note(study, expected_seconds=300.0)
    assert time_left(study, NOW) == 240
    assert time_left(study, NOW + 1000) == 0


def test_then_it_is_by_the_trials_so_far() -> None:
    study = searched(10, 20)
    StudyRecord.note(study, expected_seconds=300.0)
    assert time_left(study, NOW) == pytest.approx((8 * 15 - 5) / 2)


def test_the_latest_trials_are_those_that_ended_last() -> None:
    """Several workers' trials end in another order than that of their numbers."""
    trials = []
    for took, ended in ((10, 3), (20, 1), (30, 2)):
        trial = create_trial(value=0.3, user_attrs={"seconds": took})
        trial.datetime_complete = datetime.fromtimestamp(NOW + ended)
        trials.append(trial)
    assert seconds_of(trials, TrialState.COMPLETE) == [20, 30, 10]


def test_a_study_of_an_earlier_version_tells_nothing() -> None:
    assert time_left(make_study(20), NOW) is None


def test_the_status_of_a_running_search_says_it(tmp_path: Path) -> None:
    study = make_study(20)
    outcome = outcome_of(study, tmp_path, RunPaths(tmp_path).study("boundary-sharpness"))
    note_undertaken(study, make_plan(tmp_path, budget=50))
    assert "left" not in status_lines(study, outcome)[0]
    record_driver(study)
    assert " min left" in status_lines(study, outcome)[0]


def test_another_search_of_the_study_does_not_keep_an_old_estimate(tmp_path: Path) -> None:
    study = make_study(0)
    StudyRecord.note(study, expected_seconds=1e6)
    note_undertaken(study, make_plan(tmp_path))
    assert time_left(study, time.time()) is None


def test_the_next_command_names_the_portraits_and_not_the_pairs_made_of_them(
    tmp_path: Path,
) -> None:
    study, plan = make_study(0), make_plan(tmp_path, jobs=3, budget=33)
    config = plan.config.model_copy(
        update={"originals": tmp_path / "faces", "data": tmp_path / "made-pairs", "seed": 4}
    )
    note_undertaken(study, replace(plan, config=config))
    noted = StudyRecord.of(study).undertaken
    assert noted is not None
    assert (noted.trials, noted.runs, noted.jobs) == (33, 0, 3)
    assert str(tmp_path / "faces") in noted.options
    assert "--originals" in noted.options
    assert not {"--data", "--budget", "--study", "--run-dir"} & set(noted.options)
    note_end_of_trials(study, 12)
    cut = StudyRecord.of(study).undertaken
    assert cut == noted.model_copy(update={"trials": 12})


class Clock:
    """A monotonic clock that the test sets."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    monkeypatch.setattr("harness.search.time_left.time", clock := Clock())
    return clock


def trained(study: Study, seconds: float) -> None:
    study.add_trial(create_trial(value=0.3, user_attrs={"seconds": seconds}))


def test_the_finalists_get_what_they_need_of_a_time_limit(clock: Clock) -> None:
    """Six runs on four workers, each as long as 1.5 trials of 20 s, after a trial that runs."""
    study, needed = make_study(0), 1.15 * (20 + 2 * 1.5 * 20)
    plan = make_plan(Path("nowhere"), jobs=4, budget=30, finalists=2, repeats=2)
    assert plan.final_runs == 6
    their_time = TimeForFinalists(study, plan, deadline=1000.0)
    clock.now = 500.0
    assert not their_time()  # nothing can be confirmed yet
    trained(study, 10)
    clock.now = 502.0
    assert not their_time()
    trained(study, 30)
    clock.now = 1000 - needed - 1
    assert not their_time()
    clock.now = 1000 - needed
    assert their_time()
    for _ in range(30):
        trained(study, 0.1)
    assert their_time()  # it does not go back


def test_a_time_limit_that_is_too_short_for_finalists_is_the_search_s(clock: Clock) -> None:
    study = make_study(0)
    plan = make_plan(Path("nowhere"), jobs=4, budget=30, finalists=2, repeats=2)
    trained(study, 10)
    trained(study, 30)
    for limit, enough in ((183.0, False), (185.0, True)):  # twice what they need
        clock.now = 0.0
        their_time = TimeForFinalists(study, plan, limit)
        clock.now = limit - 1
        assert their_time() == enough


def test_without_a_time_limit_or_finalists_nothing_is_kept_free(clock: Clock) -> None:
    study = make_study(20)
    plan = make_plan(Path("nowhere"), jobs=2, budget=30, finalists=0)
    clock.now = 1e9
    assert not TimeForFinalists(study, plan, deadline=1e9)()
    plan = make_plan(Path("nowhere"), jobs=2, budget=30, finalists=1, repeats=2)
    assert not TimeForFinalists(study, plan, deadline=None)()
