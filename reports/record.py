"""Reading a study: its trials by state, the best of them, and what the driver noted on each."""

from typing import Any

from optuna import Study
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState


def trials_of(study: Study, *states: TrialState) -> list[FrozenTrial]:
    """The study's trials in these states (all, where none is named), by number."""
    return study.get_trials(deepcopy=False, states=states or None)


def completed(study: Study) -> list[FrozenTrial]:
    """The trials with a final score. A pruned one has a last value too, but no final score."""
    return trials_of(study, TrialState.COMPLETE)


def trials_by_score(study: Study) -> list[FrozenTrial]:
    """The completed trials that keep every constraint, the best first.

    With several objectives they are ordered by the first, which is the headline score.
    """
    feasible = [
        trial for trial in completed(study) if all(v <= 0 for v in trial.constraints.values())
    ]
    sign = sign_of(study)
    return sorted(feasible, key=lambda trial: (-sign * trial.values[0], trial.number))


def best_trial(study: Study) -> FrozenTrial | None:
    """The first of `trials_by_score`."""
    return next(iter(trials_by_score(study)), None)


def sign_of(study: Study) -> int:
    """1 where a higher headline score is better, -1 where a lower one is."""
    return -1 if study.directions[0] == StudyDirection.MINIMIZE else 1


def winning_trial(study: Study) -> FrozenTrial | None:
    """The confirmed winner, of those that the search tried; before that the best trial."""
    finals = study.user_attrs.get("finalists")
    confirmed = (
        [row["trial"] for row in finals["rows"] if row["trial"] is not None] if finals else []
    )
    return study.get_trials(deepcopy=False)[confirmed[0]] if confirmed else best_trial(study)


def recipe_trial(study: Study, recipe: str) -> FrozenTrial | None:
    """The last completed trial of one of the guide's recipes."""
    named = [trial for trial in completed(study) if trial.user_attrs.get("recipe") == recipe]
    return named[-1] if named else None


def params_of(trial: FrozenTrial) -> dict[str, Any]:
    """All five settings of a trial, also those that the space keeps fixed."""
    params: dict[str, Any] = trial.user_attrs.get("params", trial.params)
    return params


def extras_of(trial: FrozenTrial) -> dict[str, Any]:
    """The training settings that the space varies beside the five."""
    extras: dict[str, Any] = trial.user_attrs.get("extras", {})
    return extras


def settings_of(trial: FrozenTrial) -> dict[str, Any]:
    """Everything that makes a trial another than its neighbour."""
    return {**params_of(trial), **extras_of(trial)}
