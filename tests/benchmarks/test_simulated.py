"""The driver on simulated workers is the driver: the same record, mirrored as any other."""

from pathlib import Path

import pytest
from null_tracker import NullTracker

import benchmarks.driver
import harness.search.search
from harness.paths import RunPaths
from harness.search.result import outcome_of
from harness.study.study import read_study

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
    outcome = outcome_of(read_study(tmp_path), tmp_path, RunPaths(tmp_path).study("simulated"))
    assert sum(outcome.counts.values()) == BUDGET
    assert set(outcome.counts) == {"complete", "pruned"}
