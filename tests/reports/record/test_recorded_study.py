"""Whose a study is, by its attributes; and records that contradict themselves."""

from typing import Any

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from reports.record.format import RecordError
from reports.record.study import check_record, is_incomplete, is_ours, is_runs_record
from tests.synthetic_studies import finals_of, make_study, study_attrs

RAN = create_trial(value=0.5)
RUN = create_trial(value=0.5, user_attrs={"finalist": "recommended"})
WAITING = create_trial(state=TrialState.WAITING)


def study_with(attributes: dict[str, Any], *trials: optuna.trial.FrozenTrial) -> optuna.Study:
    study = optuna.create_study()
    for key, value in attributes.items():
        study.set_user_attr(key, value)
    study.add_trials(trials)
    return study


@pytest.mark.parametrize(
    ("attributes", "trials", "ours"),
    [
        ({}, (), False),
        ({}, (RUN,), True),  # of an earlier version
        ({}, (RUN, RAN), False),
        ({"finalists_of": "1" * 32}, (), True),
        ({"finalists_of": "1" * 32, "theirs": 1}, (RUN,), False),
    ],
)
def test_a_record_of_finalists_runs_is_known_by_what_it_holds(
    attributes: dict[str, Any], trials: tuple[Any, ...], ours: bool
) -> None:
    assert is_runs_record(study_with(attributes, *trials)) == ours


def test_a_study_whose_creation_was_interrupted_holds_nothing_of_anybody() -> None:
    whole = study_attrs()
    begun = {key: whole[key] for key in ("identity", "record_version", "name", "data", "train")}
    assert is_incomplete(study_with(begun, WAITING))
    assert not is_incomplete(study_with(begun, WAITING, RAN))
    assert not is_incomplete(study_with(begun | {"theirs": 1}))
    assert not is_incomplete(study_with({"name": "theirs"}))
    assert not is_ours(study_with(begun))
    complete = study_with(begun | {"created": whole["created"]})
    assert is_ours(complete)
    assert not is_incomplete(complete)


def test_a_finalist_is_one_of_the_trials() -> None:
    check_record(make_study(7, finalists=finals_of(0.1, 0.2)))
    with pytest.raises(RecordError, match="there is no trial 6, which is a finalist"):
        check_record(make_study(6, finalists=finals_of(0.1, 0.2)))
