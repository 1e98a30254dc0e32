"""How long a trial may take before it is taken for hung."""

from pathlib import Path

import optuna
import pytest
from driving import TRAIN, make_plan
from null_tracker import NullTracker
from searching import remembered

from harness.config.settings import FINAL_TIMES, Repository
from harness.console.views import QuietView
from harness.search.phases import SearchPhase
from harness.search.plan import SearchPlan
from harness.search.recorder import Recorder

HOUR = 3600


def recorder(plan: SearchPlan, *seconds: float) -> Recorder:
    """Of a study with completed trials of these durations."""
    study = remembered(plan)
    for took in seconds:
        trial = optuna.trial.create_trial(value=0.3, user_attrs={"seconds": took, "components": {}})
        study.add_trial(trial)
    phase = SearchPhase.__new__(SearchPhase)  # without the files of its leaders
    phase.study = phase.searched = study
    phase.tracker, phase.train, phase.done = NullTracker(), plan.trial_plan.train, len(seconds)
    phase.callbacks = ()
    return Recorder(plan, phase, QuietView())


def test_a_finalist_s_limit_is_that_of_finalists(tmp_path: Path) -> None:
    plan = make_plan(tmp_path)
    phase = recorder(plan, 10, 10, 10).phase
    phase.study = recorder(plan, 30, 40, 50).phase.study
    assert Recorder(plan, phase, QuietView()).time_limit() == 10 * 40
    phase.study = recorder(plan).phase.study
    first = Recorder(plan, phase, QuietView())
    assert first.seconds == []
    assert first.pace == pytest.approx(10 / TRAIN.steps)


def test_the_limit_is_ten_times_the_median_whatever_the_longest_took(tmp_path: Path) -> None:
    plan = make_plan(tmp_path)
    assert recorder(plan, 10, 11, 12, 5000, 9).time_limit() == 10 * 11
    assert recorder(plan, 1, 2, 3).time_limit() == 60


def test_before_three_trials_the_pace_says_what_is_long(tmp_path: Path) -> None:
    plan = make_plan(tmp_path)
    assert recorder(plan).time_limit() == 24 * HOUR
    assert recorder(plan, 3, 6).time_limit() == HOUR
    assert recorder(plan, 3000, 2000).time_limit() == 10 * 3000
    first = recorder(plan)
    first.note_pace(500.0)
    first.note_pace(100.0)
    assert first.time_limit() == 10 * 500 * TRAIN.steps
    first.phase.train = TRAIN.longer(FINAL_TIMES)
    assert first.time_limit() == pytest.approx(10 * 500 * TRAIN.steps * FINAL_TIMES)


def test_the_user_s_limit_comes_before_all(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, trial_timeout=7.0)
    assert recorder(plan).time_limit() == 7.0
    assert recorder(plan, 100, 100, 100).time_limit() == 7.0


def test_how_long_another_program_takes_is_not_known_from_a_warm_start(tmp_path: Path) -> None:
    plan = make_plan(tmp_path)
    external = Repository(folder=tmp_path, python="python", options=(), silence=9)
    told = plan.trial_plan.model_copy(update={"external": external})
    object.__setattr__(plan, "trial_plan", told)
    first = recorder(plan)
    first.note_pace(1.0)
    assert first.time_limit() == float("inf")
    assert recorder(plan, 10, 10, 10).time_limit() == 10 * 10
