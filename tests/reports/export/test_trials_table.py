"""One table of all trials, whatever became of them, and its three spellings."""

import csv
import io
import json
from collections import Counter

import optuna
import pandas as pd
import pytest
from optuna.trial import TrialState

from reports.export.trials_table import as_csv, as_json, as_markdown, trials_frame
from reports.record.queries import counts_of
from tests.synthetic_studies import (
    BEST,
    SPACE,
    add_trial,
    empty_study,
    make_study,
    study_of_both_kinds,
)

STATE = {  # in the words of events and MLflow
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}


def test_a_row_a_trial_with_its_own_facts() -> None:
    study = make_study(40)
    frame = trials_frame(study)
    assert frame["trial"].tolist() == list(range(40))
    assert Counter(frame["state"]) == counts_of(study)
    for row, trial in zip(frame.to_dict("records"), study.trials, strict=True):
        assert row["state"] == STATE[trial.state]
        assert row["lambda_L1"] == trial.params["lambda_L1"]
        assert row["gan_mode"] == trial.params["gan_mode"]


def test_only_completed_trials_have_a_score() -> None:
    """A pruned trial keeps its last value, which is no score."""
    frame = trials_frame(make_study(40))
    assert set(frame[frame["score"].notna()]["state"]) == {"complete"}
    pruned = frame[frame["state"] == "pruned"]
    assert pruned["last_value"].notna().all()
    assert pruned["reason"].notna().all()


def test_figures_are_those_of_the_last_rung_and_of_the_trial() -> None:
    study = empty_study()
    study.set_user_attr("guards", {"ciede2000": 1.0, "mae_outside": 2 / 255})
    noted = {
        "seconds": 12.5,
        "seed": 7,
        "mlflow_run": "abc",
        # An objective of the user's own may have a component of a column's name.
        "components": {"D": 0.3, "ciede2000": 5.0, "mae_outside": 0.02, "seconds": 99.0},
    }
    shifted = {**noted, "components": {"D": 0.1, "ciede2000": 6.1, "mae_outside": 0.02}}
    within = {"D": 0.3, "ciede2000": 5.9, "mae_outside": 0.027}
    for state, value, attrs in (
        (TrialState.COMPLETE, 0.2, {**noted, "recipe": "recommended"}),
        (TrialState.COMPLETE, 0.4, shifted),
        (TrialState.PRUNED, None, {**noted, "reason": "below"}),
        (TrialState.COMPLETE, 0.3, {**noted, "components": within}),
    ):
        study.add_trial(
            optuna.trial.create_trial(
                state=state,
                value=value,
                params=BEST,
                distributions=SPACE,
                intermediate_values={100: 0.3, 400: 0.2, 200: 0.25},
                user_attrs={"params": BEST, **attrs},
            )
        )
    frame = trials_frame(study)
    assert frame["score"].tolist()[:2] == [0.2, 0.4]
    assert frame["last_value"].tolist() == [0.2] * 4
    assert frame["step"].tolist() == [400] * 4
    assert frame["feasible"].tolist() == [True, False, pd.NA, True]
    assert frame["D"].tolist() == [0.3, 0.1, 0.3, 0.3]
    assert frame["recipe"].tolist()[0] == "recommended"
    for name in ("seconds", "seed", "mlflow_run"):
        assert frame[name].tolist() == [noted[name]] * 4
    assert frame["reason"].tolist()[2] == "below"


def test_fixed_settings_are_shown_too() -> None:
    study = empty_study()
    trial = study.ask({"lr": SPACE["lr"]})
    trial.set_user_attr("params", BEST)
    study.tell(trial, 0.2)
    assert trials_frame(study).iloc[0][list(BEST)].to_dict() == BEST


def test_a_waiting_recipe_and_a_running_trial_are_rows() -> None:
    study = empty_study()
    study.enqueue_trial(BEST, user_attrs={"recipe": "recommended"})
    study.add_trial(optuna.trial.create_trial(state=TrialState.RUNNING))
    frame = trials_frame(study)
    assert frame["state"].tolist() == ["waiting", "running"]
    assert frame["lambda_L1"][0] == 100
    assert frame["score"].isna().all()


def test_two_objectives() -> None:
    study = optuna.create_study(directions=["maximize", "minimize"])
    study.add_trial(
        optuna.trial.create_trial(
            values=[0.3, 0.1], params=BEST, distributions=SPACE, user_attrs={"params": BEST}
        )
    )
    assert trials_frame(study).loc[
        0, ["score", "objective_0", "objective_1", "front"]
    ].tolist() == [
        0.3,
        0.3,
        0.1,
        True,
    ]


@pytest.mark.parametrize("trials", [0, 1, 40])
def test_csv_and_json_say_the_same(trials: int) -> None:
    frame = trials_frame(make_study(trials))
    from_csv = list(csv.DictReader(io.StringIO(as_csv(frame))))
    from_json = json.loads(as_json(frame))
    assert len(from_csv) == len(from_json) == trials
    for text, data in zip(from_csv, from_json, strict=True):
        assert text.keys() == data.keys()
        for key, value in data.items():
            if value is None:
                assert text[key] == ""
            elif isinstance(value, float):
                assert float(text[key]) == pytest.approx(value, rel=1e-12)
            else:
                assert text[key] == str(value)


def test_markdown_keeps_hostile_words_in_their_cells() -> None:
    study = empty_study()
    reason = "a | b\n# title <script>"
    add_trial(study, BEST, TrialState.FAIL, (), reason=reason, recipe="x|y")
    lines = as_markdown(trials_frame(study)).splitlines()
    assert len(lines) == 3
    assert len({line.replace("\\|", "").count("|") for line in lines}) == 1
    assert "<script>" not in lines[2]


def test_no_text_of_the_csv_is_a_formula_and_numbers_stay_numbers() -> None:
    frame = trials_frame(make_study(6))
    texts = ("=HYPERLINK(1)", "@x", "-1 of 2", "+1", "\t=1", "\r=1")
    for number, text in enumerate(texts):
        frame.loc[number, "reason"] = text
    frame.loc[0, "score"] = -0.25
    rows = list(csv.DictReader(io.StringIO(as_csv(frame), newline="")))
    assert [row["reason"] for row in rows] == [f"'{text}".replace("\r", "\n") for text in texts]
    assert rows[0]["score"] == "-0.25"
    assert [row["trial"] for row in rows] == ["0", "1", "2", "3", "4", "5"]


def test_the_markdown_has_every_setting_that_tells_trials_apart() -> None:
    lines = as_markdown(trials_frame(study_of_both_kinds(4))).splitlines()
    assert "| lr | netG | seconds | reason |" in lines[0]
    assert "| warp_unet_128 |" in lines[2]
    assert "| unet_128 |" in lines[3]
