"""An objective whose scores are far below 0.0001: every place names them, and none shows 0.0000."""

from pathlib import Path

import optuna
import pytest
from optuna.trial import create_trial

from harness.paths import RunPaths
from harness.search.publishing import study_note
from harness.search.result import as_lines, outcome_of
from harness.search.status import status_lines
from reports.export.best_yaml import as_yaml, best_config
from reports.page.report import render
from tests.synthetic_studies import finals_of, make_study, study_attrs

SCALE = 1e-5


@pytest.fixture
def study() -> optuna.Study:
    """Scores between 7e-6 and 8e-6, of which less is better."""
    made = optuna.create_study(study_name="s", direction="minimize")
    changed = {"direction": "minimize", "objective": "mine:make", "budget": 12}
    levels = {"noop": 0.8 * SCALE, "warm_start": 0.81 * SCALE, "oracle": 0.01 * SCALE}
    for key, entry in study_attrs(**changed, baseline=levels).items():
        made.set_user_attr(key, entry)
    for trial in make_study(12).get_trials(deepcopy=False):
        value = SCALE * (1 - (trial.value or 0))
        rungs = [row | {"value": value} for row in trial.user_attrs["rungs"]]
        made.add_trial(
            create_trial(
                value=value,
                params=trial.params,
                distributions=trial.distributions,
                user_attrs=trial.user_attrs | {"rungs": rungs, "components": {"own": value}},
            )
        )
    return made


@pytest.mark.parametrize("confirmed", [False, True])
def test_no_small_score_is_shown_as_zero(
    study: optuna.Study, tmp_path: Path, confirmed: bool
) -> None:
    if confirmed:
        found = finals_of(1e-6, 2e-6, noop=7e-6)
        for row in found["rows"]:
            row["mean"], row["ci95"] = row["mean"] * SCALE, [7.4e-6, 7.6e-6]
        study.set_user_attr("finalists", found)
    outcome = outcome_of(study, tmp_path, RunPaths(tmp_path).study("s"))
    page = render(study)
    shown = {
        "terminal": "\n".join(as_lines(outcome)),
        "status": "\n".join(status_lines(study, outcome)),
        "MLflow": study_note(study, outcome),
        "best.yaml": as_yaml(best_config(study)),
        "page": page[: page.index('<div class="slices">')],
    }
    assert [place for place, text in shown.items() if "0.0000 " in text] == []
    assert all("e-6" in text for text in shown.values())
