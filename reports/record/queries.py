"""Reading a study: its trials by state, the best of them, and what the driver noted on each."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from optuna import Study
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from reports.record.decided import decided
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
    """The study's trials in these states (all, where none is named), by number."""
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


def breaking(study: Study, among: Sequence[FrozenTrial] | None = None) -> set[int]:
    """Numbers of the completed trials, or of some of them, that break a guard: they may not win.

    A trial that ended before the guide's recommendation carries no constraint: it is read against
    that one's components here.
    """
    setup = StudyRecord.of(study).ours
    margins = setup.guards if setup else {}
    recommended = recipe_trial(study, RECOMMENDED)
    allowed = TrialRecord.of(recommended).components if recommended else {}

    def beyond(trial: FrozenTrial) -> bool:
        own = TrialRecord.of(trial).components
        held = [name for name in margins if name in own and name in allowed]
        return any(own[name] > allowed[name] + margins[name] for name in held)

    return {
        trial.number
        for trial in (completed(study) if among is None else among)
        if any(value > 0 for value in trial.constraints.values()) or beyond(trial)
    }


def shut_out(study: Study) -> list[FrozenTrial]:
    """The trials that break a guard and score better than the best, by score.

    Empty of a Pareto search.
    """
    best, broken, sign = best_trial(study), breaking(study), sign_of(study)
    if best is None or is_pareto(study):
        return []
    ahead = [
        trial
        for trial in completed(study)
        if trial.number in broken and sign * score_of(trial) > sign * score_of(best)
    ]
    return sorted(ahead, key=lambda trial: -sign * score_of(trial))


def is_pareto(study: Study) -> bool:
    """Whether the search weighed several objectives."""
    return len(study.directions) > 1


def objectives_of(study: Study) -> tuple[str, ...]:
    """The names of a Pareto search's objectives, in the order of its trials' values."""
    if not is_pareto(study):
        return ()
    unnamed = [f"objective_{place}" for place in range(len(study.directions))]
    return tuple(study.metric_names or unnamed)


def score_of(trial: FrozenTrial) -> float:
    """The headline score of a completed trial, which with several objectives is none of them."""
    noted = TrialRecord.of(trial).score
    return trial.values[0] if noted is None else noted


def rungs_of(trial: FrozenTrial) -> dict[int, float]:
    """The headline score at each rung; Optuna itself takes none of several objectives."""
    noted = TrialRecord.of(trial).rungs
    return trial.intermediate_values or {rung.step: rung.value for rung in noted}


def trials_by_score(study: Study, among: Sequence[FrozenTrial] | None = None) -> list[FrozenTrial]:
    """The completed trials, or some of them, that may win, the best first: they keep the guards.

    With several objectives they are the front's: no other trial is better in one of them and as
    good in the rest.
    """
    candidates = completed(study) if among is None else among
    broken = breaking(study, candidates)
    may_win = [trial for trial in candidates if trial.number not in broken]
    if is_pareto(study):
        may_win = front(study, may_win)
    sign = sign_of(study)
    return sorted(may_win, key=lambda trial: (-sign * score_of(trial), trial.number))


def repainting_by_score(
    study: Study, among: Sequence[FrozenTrial] | None = None
) -> list[FrozenTrial]:
    """`trials_by_score` of those that do not move pixels.

    With several objectives they have a front of their own: a moving trial may beat all of them.
    """
    candidates = completed(study) if among is None else among
    return trials_by_score(study, [trial for trial in candidates if not moves(trial)])


def front(study: Study, trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    """Those that no other of them beats."""
    found: list[FrozenTrial] = []
    for trial in trials:
        if not any(beats(study, ahead.values, trial.values) for ahead in found):
            found = [one for one in found if not beats(study, trial.values, one.values)]
            found.append(trial)
    return found


def beats(study: Study, values: Sequence[float], others: Sequence[float]) -> bool:
    """Whether a trial of these values is better in one objective and as good in the rest."""
    leads = [
        (mine - other) * (1 if direction == StudyDirection.MAXIMIZE else -1)
        for mine, other, direction in zip(values, others, study.directions, strict=True)
    ]
    return min(leads) >= 0 and max(leads) > 0


def best_trial(study: Study) -> FrozenTrial | None:
    """The first of `trials_by_score`."""
    return next(iter(trials_by_score(study)), None)


def sign_of(study: Study) -> int:
    """1 where a higher headline score is better, -1 where a lower one is."""
    setup = StudyRecord.of(study).ours
    direction = setup.direction if setup else study.directions[0].name.lower()
    return -1 if direction == "minimize" else 1


def winning_trial(study: Study) -> FrozenTrial | None:
    """The trial that the finalists' runs decided for; before that, or without, the best trial.

    The best finalist that the search tried, where it did not try the decided setting, or where
    nothing could be compared.
    """
    finals = StudyRecord.of(study).finalists
    if not (finals and finals.of_search):
        return best_trial(study)
    found = decided(finals, sign_of(study), is_pareto(study))
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
    """Whether a trial of a study of both kinds moves pixels; False of any other study's."""
    return moves_pixels(extras_of(trial))


def as_is_trial(study: Study) -> FrozenTrial | None:
    """The trial that was decided for of those that an unchanged train.py can run, else the best.

    None in a study of one kind of generator, where the best trial answers that already.
    """
    if not tries_both_kinds(study):
        return None
    finals = StudyRecord.of(study).finalists
    if finals and finals.as_is:
        found = decided(finals, sign_of(study), is_pareto(study))
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
    """All five settings of a trial, also those that the space keeps fixed, or that it waits for."""
    noted = TrialRecord.of(trial).params
    return (trial.params or enqueued_params(trial)) if noted is None else noted


def extras_of(trial: FrozenTrial) -> dict[str, Any]:
    """The training settings that the space varies beside the five."""
    return TrialRecord.of(trial).extras


def settings_of(trial: FrozenTrial) -> dict[str, Any]:
    """Everything that makes a trial another than its neighbour."""
    return {**params_of(trial), **extras_of(trial)}
