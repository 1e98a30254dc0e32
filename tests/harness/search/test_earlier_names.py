"""A study begun when the recommended recipe was called `best` goes on."""

import sqlite3
from collections import Counter
from pathlib import Path

import pytest
import yaml
from driving import make_plan
from searching import run, trials

from harness.search.result import as_lines
from harness.study.study import read_study
from reports.record.names import RECOMMENDED
from reports.record.queries import recipe_trial
from reports.record.study import StudyRecord


def as_version_0_1_had_it(folder: Path) -> None:
    """Put the earlier name where that version wrote it: on trials, on runs, in the conclusion."""
    renamed = "replace(value_json, '\"recommended\"', '\"best\"')"
    reworded = f"replace({renamed}, 'the guide''s recommended setting', 'best-recipe')"
    with sqlite3.connect(folder / "optuna.db") as database:
        for table in ("trial_user_attributes", "study_user_attributes"):
            database.execute(
                f"UPDATE {table} SET value_json = {reworded} "
                "WHERE key IN ('recipe', 'finalist', 'finalists')"
            )


@pytest.mark.usefixtures("unmirrored")
@pytest.mark.parametrize("stopped_after", [0, 5, 20, None])
def test_it_goes_on(tmp_path: Path, stopped_after: int | None) -> None:
    """Whether it was stopped before its first trial, in the search, in the finals, or never."""
    options = {"jobs": 1, "budget": 24, "finalists": 2, "repeats": 3}
    run(make_plan(tmp_path, **options), stop_after=stopped_after)
    as_version_0_1_had_it(tmp_path)

    outcome = run(make_plan(tmp_path, **options))
    found = trials(tmp_path)
    named = Counter(trial.user_attrs.get("recipe") for trial in found)
    assert (named["best"], named["recommended"]) == (1, 0)
    assert len(found) == 15
    study = read_study(tmp_path, "fake")
    baseline, finals = recipe_trial(study, RECOMMENDED), StudyRecord.of(study).finalists
    assert baseline is not None
    assert finals is not None
    assert finals.baseline == RECOMMENDED
    (row,) = [row for row in finals.rows if row.name == RECOMMENDED]
    assert row.trial == baseline.number
    assert row.repeats == 3
    best = yaml.safe_load((tmp_path / "fake" / "best.yaml").read_text())
    assert best["baseline"]["recipe"] == RECOMMENDED
    assert best["verdict"].startswith("better than the guide's recommended setting")
    assert "Guide's recommended" in "\n".join(as_lines(outcome))
