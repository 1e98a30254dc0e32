"""Queries on a study: its trials by state, the best of them, and what is recorded on each."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from optuna import Study
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from reports.record.decided import final_choices
from reports.record.finalists import FinalistRow
from reports.record.names import PARAMS, RECOMMENDED, moves_pixels
from reports.record.study import StudyRecord
from reports.record.trial import TrialRecord, enqueued_params

ENDED = (TrialState.COMPLETE, TrialState.PRUNED)
"""States of trials that count towards a budget once they have ended."""
UNTRIED = -1
"""The number, which is Optuna's, of a trial that stands for a setting that the search left out."""
KIND = "generator"
"""The parameter that says a trial's kind of generator, in a study that tries both."""


def trials_of(study: Study, *states: TrialState) -> list[FrozenTrial]:
    """The study's trials in these states (in any state if none is given), by number."""
    return study.get_trials(deepcopy=False, states=states or None)


def completed(study: Study) -> list[FrozenTrial]:
    """The trials with a final score. A pruned one has a last value too, but no final score."""
    return trials_of(study, TrialState.COMPLETE)


def state_of(trial: FrozenTrial) -> str:
    """A trial's state in the words of events, tables and MLflow; Optuna's own but for one."""
    return "failed" if trial.state == TrialState.FAIL else trial.state.name.lower()


def counts_of(study: Study) -> Counter[str]:
    """The number of trials by state, in Optuna's order of states."""
    by_state = sorted(trials_of(study), key=lambda trial: trial.state)
    return Counter(map(state_of, by_state))


def guard_violators(study: Study, among: Sequence[FrozenTrial] | None = None) -> set[int]:
    """Numbers of the completed trials, or of those in `among`, that break a guard and cannot win.

    A trial that ended before the guide's recommendation has no recorded constraints, so its
    components are compared with the recommendation's here.
    """
    setup = StudyRecord.of(study).ours
    margins = setup.guards if setup else {}
    recommended = recipe_trial(study, RECOMMENDED)
    allowed = TrialRecord.of(recommended).components if recommended else {}

    def beyond(trial: FrozenTrial) -> bool:
        own = TrialRecord.of(trial).components
        guards = [name for name in margins if name in own and name in allowed]
        return any(own[name] > allowed[name] + margins[name] for name in guards)

    return {
        trial.number
        for trial in (completed(study) if among is None else among)
        if any(value > 0 for value in trial.constraints.values()) or beyond(trial)
    }


def excluded_leaders(study: Study) -> list[FrozenTrial]:
    """The trials that score better than the best trial but break a guard, by score.

    Empty for a Pareto search.
    """
    best, broken, sign = best_trial(study), guard_violators(study), sign_of(study)
    if best is None or is_pareto(study):
        return []
    ahead = [
        trial
        for trial in completed(study)
        if trial.number in broken and sign * score_of(trial) > sign * score_of(best)
    ]
    return sorted(ahead, key=lambda trial: -sign * score_of(trial))


def is_pareto(study: Study) -> bool:
    """Whether the search has several objectives."""
    return len(study.directions) > 1


def objectives_of(study: Study) -> tuple[str, ...]:
    """The names of a Pareto search's objectives, in the order of its trials' values."""
    if not is_pareto(study):
        return ()
    unnamed = [f"objective_{place}" for place in range(len(study.directions))]
    return tuple(study.metric_names or unnamed)


def score_of(trial: FrozenTrial) -> float:
    """The headline score of a completed trial. With several objectives it is none of them."""
    recorded = TrialRecord.of(trial).score
    return trial.values[0] if recorded is None else recorded


def rungs_of(trial: FrozenTrial) -> dict[int, float]:
    """The headline score at each rung. With several objectives, Optuna itself stores none."""
    rungs = TrialRecord.of(trial).rungs
    return trial.intermediate_values or {rung.step: rung.value for rung in rungs}


def trials_by_score(study: Study, among: Sequence[FrozenTrial] | None = None) -> list[FrozenTrial]:
    """The completed trials, or those in `among`, that can win, the best first: none breaks a guard.

    With several objectives, only those of the Pareto front.
    """
    candidates = completed(study) if among is None else among
    broken = guard_violators(study, candidates)
    may_win = [trial for trial in candidates if trial.number not in broken]
    if is_pareto(study):
        may_win = front(study, may_win)
    sign = sign_of(study)
    return sorted(may_win, key=lambda trial: (-sign * score_of(trial), trial.number))


def repainting_by_score(
    study: Study, among: Sequence[FrozenTrial] | None = None
) -> list[FrozenTrial]:
    """`trials_by_score` of the trials that do not move pixels.

    With several objectives they have their own front: a moving trial may dominate all of them.
    """
    candidates = completed(study) if among is None else among
    return trials_by_score(study, [trial for trial in candidates if not moves(trial)])


def front(study: Study, trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    """The Pareto front of these trials: those that no other of them dominates."""
    found: list[FrozenTrial] = []
    for trial in trials:
        if not any(dominates(study, ahead.values, trial.values) for ahead in found):
            found = [one for one in found if not dominates(study, trial.values, one.values)]
            found.append(trial)
    return found


def dominates(study: Study, values: Sequence[float], others: Sequence[float]) -> bool:
    """Whether these values are better in one objective, and at least as good in all others."""
    leads = [
        (mine - other) * (1 if direction == StudyDirection.MAXIMIZE else -1)
        for mine, other, direction in zip(values, others, study.directions, strict=True)
    ]
    return min(leads) >= 0 and max(leads) > 0


def best_trial(study: Study) -> FrozenTrial | None:
    """The first of `trials_by_score`."""
    return next(iter(trials_by_score(study)), None)


def sign_of(study: Study) -> int:
    """1 if a higher headline score is better, else -1."""
    setup = StudyRecord.of(study).ours
    direction = setup.direction if setup else study.directions[0].name.lower()
    return -1 if direction == "minimize" else 1


def winning_trial(study: Study) -> FrozenTrial | None:
    """The trial that won the finalists' runs; without them, the best trial.

    If the search did not try the winning setting, or nothing could be compared, the best finalist
    that the search tried.
    """
    finals = StudyRecord.of(study).finalists
    if not (finals and finals.of_search):
        return best_trial(study)
    found = final_choices(finals, sign_of(study), is_pareto(study))
    row = found[0].setting if found else finals.of_search[0]
    if row.trial is None or is_pareto(study):
        row = finals.of_search[0]
    return trial_of_row(study, row)


def trial_of_row(study: Study, row: FinalistRow) -> FrozenTrial:
    """The trial of a finalist that the search tried."""
    assert row.trial is not None
    return study.get_trials(deepcopy=False)[row.trial]


def tries_both_kinds(study: Study) -> bool:
    """Whether some trials move pixels and others repaint."""
    return any(KIND in trial.params for trial in study.get_trials(deepcopy=False))


def moves(trial: FrozenTrial) -> bool:
    """Whether a trial in a study of both kinds moves pixels; False in any other study."""
    return moves_pixels(extras_of(trial))


def as_is_trial(study: Study) -> FrozenTrial | None:
    """The winner among the trials that an unchanged train.py can run; before that, their best.

    None in a study of one kind of generator, where the winning trial already answers this.
    """
    if not tries_both_kinds(study):
        return None
    finals = StudyRecord.of(study).finalists
    if finals and finals.as_is:
        found = final_choices(finals, sign_of(study), is_pareto(study))
        first = [(found[1] or found[0]).setting] if found else []
        for row in [*first, *finals.of_search]:
            if row.trial is not None and not row.moves:
                return trial_of_row(study, row)
    return next(iter(repainting_by_score(study)), None)


def recipe_trial(study: Study, recipe: str) -> FrozenTrial | None:
    """The last completed trial of one of the guide's recipes."""
    named = [trial for trial in completed(study) if TrialRecord.of(trial).recipe == recipe]
    return named[-1] if named else None


def recommended_trial(study: Study) -> FrozenTrial | None:
    """The guide's recommended setting: its trial, or what stands for it as a finalist.

    A space may leave it out; the finalists' runs then have it nevertheless. Not of a Pareto search,
    whose front is of trials.
    """
    tried, finals = recipe_trial(study, RECOMMENDED), StudyRecord.of(study).finalists
    rows = [] if tried or finals is None or is_pareto(study) else finals.rows
    for row in rows:
        if row.name == RECOMMENDED and row.trial is None and row.mean is not None:
            noted = TrialRecord.attributes(
                recipe=RECOMMENDED,
                params={name: row.params[name] for name in PARAMS},
                extras={name: row.params[name] for name in row.params if name not in PARAMS},
                components=row.components,
            )
            return create_trial(value=row.mean, user_attrs=noted)
    return tried


def number_of(row: FinalistRow) -> int:
    """The number of a finalist's trial, or of what stands for it."""
    return UNTRIED if row.trial is None else row.trial


def params_of(trial: FrozenTrial) -> dict[str, Any]:
    """All five settings of a trial, including fixed ones; for a waiting trial the enqueued ones."""
    params = TrialRecord.of(trial).params
    return (trial.params or enqueued_params(trial)) if params is None else params


def extras_of(trial: FrozenTrial) -> dict[str, Any]:
    """The other training settings that the space varies besides the five."""
    return TrialRecord.of(trial).extras


def settings_of(trial: FrozenTrial) -> dict[str, Any]:
    """All settings in which a trial may differ from others: the five and the extras."""
    return {**params_of(trial), **extras_of(trial)}
