"""The names of recipes and settings, and studies that have the recommended recipe's earlier one."""

import json
from typing import Any

import pytest

from reports.analysis.decision import decide
from reports.analysis.summary import summarise
from reports.export.best_yaml import best_config
from reports.export.trials_table import trials_frame
from reports.page.report import render
from reports.record.format import VERSION
from reports.record.names import BLURRING, PARAMS, RECOMMENDED, renamed
from reports.record.queries import recipe_trial
from reports.record.study import StudyRecord
from reports.texts.translations import translator
from search_spaces.recipes import load_recipes
from search_spaces.trial_params import REQUIRED_SETTINGS
from tests.synthetic_studies import RECIPES, add_trial, empty_study


def row(name: str, trial: int, recipe: str | None, mean: float) -> dict[str, Any]:
    return {
        "name": name, "trial": trial, "recipe": recipe, "params": RECIPES["lower_L1"],
        "mean": mean, "ci95": [mean - 0.01, mean + 0.01], "repeats": 3, "components": {"D": 0.3},
        "diverged": False,
    }  # fmt: skip


FINALISTS = {
    "rows": [row("t002", 2, None, 0.31), row("best", 0, "best", 0.29)],
    "baseline": "best",
    "winner": "t002",
    "runner_up": "best",
    "difference": {"mean": 0.02, "low": 0.01, "high": 0.03},
    "ahead_of_runner_up": None, "level": 0.95, "better": True, "runs": 6,
    "verdict": "better than best-recipe by 0.0200 [0.0100, 0.0300]",
    "as_is": {"name": "best", "challenger": "t002", "difference": None, "better": False,
              "verdict": "not compared with best-recipe: too few runs or held-out pictures",
              "checkpoint": None},
    "steps": 600, "seeds": [1, 2, 3], "pairs": 12, "noop": 0.3, "checkpoint": None,
}  # fmt: skip


def test_they_are_those_of_the_search_space_and_of_its_recipes() -> None:
    assert PARAMS == REQUIRED_SETTINGS
    assert {RECOMMENDED, BLURRING} <= set(load_recipes())


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_a_study_of_version_0_1_is_read_under_the_names_of_today(lang: str) -> None:
    study = empty_study(finalists=FINALISTS, record_version=1)
    add_trial(study, RECIPES["recommended"], recipe="best")
    add_trial(study, RECIPES["problem"], recipe="problem")
    add_trial(study, RECIPES["lower_L1"])

    recommended = recipe_trial(study, RECOMMENDED)
    assert recommended is not None
    assert recommended.number == 0
    assert trials_frame(study)["recipe"].tolist()[:2] == ["recommended", "problem"]
    summary = summarise(study)
    assert summary.baseline is not None
    assert [each.recipe for each in summary.recipes] == ["recommended", "problem"]
    config = best_config(study)
    assert config["baseline"]["recipe"] == "recommended"
    assert config["verdict"].startswith("better than the guide's recommended setting by 0.0200 [")
    assert "best-recipe" not in render(study, lang)
    decision = decide(study, translator(lang))
    assert (decision.verb, decision.trial) == ("use", 2)
    finals = StudyRecord.of(study).finalists
    assert finals is not None
    assert (finals.runner_up, finals.as_is.name) == ("recommended", "recommended")
    assert '"best"' not in json.dumps(finals.as_data())
    StudyRecord.migrate(study)  # as before it is searched on
    assert study.user_attrs["record_version"] == VERSION
    assert StudyRecord.of(study).finalists == finals


def test_a_comparison_of_a_file_called_best_keeps_its_name() -> None:
    rows = [row("mine.yaml", 2, None, 0.31), row("best", 0, None, 0.29)]
    noted = FINALISTS | {
        "rows": rows, "winner": "mine.yaml", "as_is": None,
        "verdict": "better than best by 0.0200",
    }  # fmt: skip
    finals = StudyRecord.of(empty_study(finalists=noted, record_version=1)).finalists
    assert finals is not None
    known = [one | {"checkpoint": None} for one in rows]
    assert finals.as_data() == noted | {"rows": known, "ahead_of_warp": None}


def test_renaming_leaves_everything_else() -> None:
    noted = {"best": [0.5, None, True, "t012", {"recipe": "lsgan"}]}
    assert renamed(noted) == noted
