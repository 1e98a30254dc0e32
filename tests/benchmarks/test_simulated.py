"""The driver on simulated workers is the driver: the same record, mirrored as any other."""

from pathlib import Path

import pytest

import benchmarks.driver
import harness.search.search
from benchmarks.share import busy, covered
from benchmarks.simulated import make_plan
from harness.search.result import outcome_of
from harness.study.study import read_study
from harness.tracking import NullTracker, tags_of

BUDGET = 24


def test_simulated_trials_end_as_real_ones_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    class Told(NullTracker):
        def end(self, trial: str, ending: object) -> None:
            told.append(trial)

    monkeypatch.setattr(harness.search.search, "open_tracker", lambda *_: Told())
    ends, _ = benchmarks.driver.ours(tmp_path, BUDGET, b"")
    assert len(ends) == BUDGET + 1
    assert told == [f"t{number:03d}" for number in range(BUDGET)]
    outcome = outcome_of(read_study(tmp_path), tmp_path, make_plan(tmp_path, 1, BUDGET).paths)
    assert sum(outcome.counts.values()) == BUDGET
    assert set(outcome.counts) == {"complete", "pruned"}


def test_a_simulated_plan_says_what_runs_are_tagged_with(tmp_path: Path) -> None:
    assert tags_of(make_plan(tmp_path, 1, BUDGET).facts)["profile"] == "quick"


def spans(*rows: tuple[int, int, float, float]) -> list[dict[str, float]]:
    return [dict(zip(("worker", "trial", "began", "ended"), row, strict=True)) for row in rows]


def test_time_that_overlaps_is_counted_once() -> None:
    assert covered(spans((1, 0, 0, 2), (2, 1, 1, 3), (1, 2, 5, 6), (2, 3, 5.2, 5.4))) == 4


def test_a_preparation_is_no_trial_and_waiting_is_not_busy() -> None:
    shown = spans((1, -1, 0, 100), (1, 0, 100, 104), (1, 1, 105, 110), (2, 2, 0, 10))
    assert busy(shown) == pytest.approx(19 / 20)
