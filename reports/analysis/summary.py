"""The facts of a study that a report tells; no words, no drawing."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from optuna import Study
from optuna.trial import FrozenTrial, TrialState

from reports.analysis.effects import Effect, effects
from reports.record.finalists import Finalists
from reports.record.names import BLURRING, PARAMS, RECOMMENDED
from reports.record.queries import (
    as_is_trial,
    completed,
    counts_of,
    extras_of,
    is_pareto,
    moves,
    objectives_of,
    recipe_trial,
    rungs_of,
    score_of,
    settings_of,
    sign_of,
    state_of,
    trial_of_row,
    trials_by_score,
    trials_of,
    tries_both_kinds,
    winning_trial,
)
from reports.record.study import StudyRecord
from reports.record.trial import TrialRecord

STEADY = 0.25
"""A loss is steady while its last value is within this fraction of its first."""
FELL_BACK = 0.02
"""A score has fallen back when it ends worse than its best rung by this fraction of it."""
NUMBER = re.compile(r"(?:(?<![\w.])-)?\d+(?:\.\d+)?(?:e[+-]?\d+)?")
"""A number within a reason."""


@dataclass(frozen=True)
class Standing:
    """A trial as the report names it."""

    trial: int
    state: str
    recipe: str | None
    params: dict[str, Any]
    score: float | None
    components: dict[str, float]
    seconds: float | None


@dataclass(frozen=True)
class LossCheck:
    """One loss against what the guide expects of it; `holds` is None where it was not measured."""

    loss: str
    expected: Literal["falls", "steady"]
    first: float | None
    last: float | None
    holds: bool | None


@dataclass(frozen=True)
class Overfitting:
    """Where a trial's validation score was best, and how far it fell back from there (`loss`)."""

    best_step: int
    best_value: float
    last_value: float
    loss: float

    @property
    def fell_back(self) -> bool:
        return self.loss > FELL_BACK * abs(self.best_value)


@dataclass(frozen=True)
class Ending:
    """Trials of one kind of generator that ended early for the same reason.

    A number in the reason that differs between them stands there as the range of theirs. `moves`
    is None in a study of one kind of generator.
    """

    state: str
    reason: str
    trials: tuple[int, ...]
    moves: bool | None = None


@dataclass(frozen=True)
class KindEffects:
    """What the settings do in one kind of generator; `moves` as in `Ending`."""

    moves: bool | None
    trials: int
    effects: tuple[Effect, ...]


@dataclass(frozen=True)
class Summary:
    """Everything the report says in words and tables.

    Attributes:
        sign: 1 where a higher score is better, -1 where a lower one is.
        winner: see `winning_trial`.
        best_other: the best of the other finalists, where the recommended setting is the winner.
        baseline: the guide's recommended setting.
        problem: the guide's setting that blurs.
        as_is: the best for an unchanged train.py; None where that is no question of its own.
        alike: the completed trials of the winner's kind of generator.
        both: whether the study tries both kinds.
        settings: names of what tells its trials apart: the five, and what the space varies beside.
        objectives: of a Pareto search.
        front: its trials that no other beats.
        finals: None until the finalists are compared.
    """

    name: str
    sign: int
    counts: Counter[str]
    budget: int | None
    winner: Standing | None
    best_other: Standing | None
    baseline: Standing | None
    problem: Standing | None
    as_is: Standing | None
    noop: float | None
    warm_start: float | None
    other_warm_start: float | None
    oracle: float | None
    recipes: tuple[Standing, ...]
    alike: tuple[int, ...]
    both: bool
    settings: tuple[str, ...]
    losses: tuple[LossCheck, ...]
    overfitting: Overfitting | None
    endings: tuple[Ending, ...]
    objectives: tuple[str, ...]
    front: tuple[int, ...]
    finals: Finalists | None
    effects: tuple[KindEffects, ...]


def summarise(study: Study) -> Summary:
    """The facts of a study, whatever state it is in."""
    trials = trials_of(study)
    record = StudyRecord.of(study)
    setup, scores = record.ours, record.baseline
    best, as_is = winning_trial(study), as_is_trial(study)
    recommended, problem = recipe_trial(study, RECOMMENDED), recipe_trial(study, BLURRING)
    sign, both = sign_of(study), tries_both_kinds(study)
    return Summary(
        name=setup.name if setup else study.study_name,
        sign=sign,
        counts=counts_of(study),
        budget=setup.budget if setup else None,
        winner=standing(best) if best else None,
        best_other=best_other(study, best),
        baseline=standing(recommended) if recommended else None,
        problem=standing(problem) if problem else None,
        as_is=standing(as_is) if as_is else None,
        noop=scores.noop if scores else None,
        warm_start=scores.warm_start if scores else None,
        other_warm_start=scores.other_warm_start if scores else None,
        oracle=scores.oracle if scores else None,
        recipes=tuple(standing(trial) for trial in trials if TrialRecord.of(trial).recipe),
        both=both,
        settings=tuple(
            dict.fromkeys([*PARAMS, *(key for one in trials for key in extras_of(one))])
        ),
        alike=tuple(trial.number for trial in alike(study)),
        losses=loss_checks(best) if best else (),
        overfitting=overfitting(best, sign) if best else None,
        endings=endings(trials, both),
        objectives=objectives_of(study),
        front=tuple(trial.number for trial in trials_by_score(study)) if is_pareto(study) else (),
        finals=record.finalists,
        effects=effects_by_kind(study, sign, both),
    )


def standing(trial: FrozenTrial) -> Standing:
    """A trial's facts; the score only where it is final."""
    record = TrialRecord.of(trial)
    return Standing(
        trial=trial.number,
        state=state_of(trial),
        recipe=record.recipe,
        params=settings_of(trial),
        score=score_of(trial) if trial.state == TrialState.COMPLETE else None,
        components=record.components,
        seconds=record.seconds,
    )


def best_other(study: Study, winner: FrozenTrial | None) -> Standing | None:
    finals = StudyRecord.of(study).finalists
    if not (finals and winner and TrialRecord.of(winner).recipe == RECOMMENDED):
        return None
    others = (row for row in finals.of_search if row.trial != winner.number)
    best = next(others, None)
    return standing(trial_of_row(study, best)) if best else None


def alike(study: Study) -> list[FrozenTrial]:
    """The completed trials of the winner's kind of generator: what tells them apart is settings."""
    best = winning_trial(study)
    trials = completed(study)
    if best is None or not tries_both_kinds(study):
        return trials
    return [trial for trial in trials if moves(trial) == moves(best)]


def effects_by_kind(study: Study, sign: int, both: bool) -> tuple[KindEffects, ...]:
    """The settings' effects on the score, for each kind of generator by itself: the scores of the
    two lie far apart."""
    done = completed(study)
    if not both:
        return (KindEffects(None, len(done), effects(done, sign)),)
    kinds = ((kind, [trial for trial in done if moves(trial) == kind]) for kind in (True, False))
    return tuple(KindEffects(kind, len(own), effects(own, sign)) for kind, own in kinds)


def loss_checks(trial: FrozenTrial) -> tuple[LossCheck, ...]:
    """The guide's three expectations: G_L1 and G_Perceptual fall, G_GAN stays steady.

    A loss's mean up to the first rung is compared with its mean before the last.
    """
    rungs = TrialRecord.of(trial).rungs
    found = []
    for loss in ("G_L1", "G_Perceptual", "G_GAN"):
        values = [rung.losses[loss] for rung in rungs if loss in rung.losses]
        steady = loss == "G_GAN"
        first, last, holds = None, None, None
        if len(values) > 1:
            first, last = values[0], values[-1]
            holds = abs(last - first) <= STEADY * abs(first) if steady else last < first
        found.append(LossCheck(loss, "steady" if steady else "falls", first, last, holds))
    return tuple(found)


def overfitting(trial: FrozenTrial, sign: int) -> Overfitting | None:
    """The validation score's course over the rungs; `sign` is -1 where less is better."""
    rungs = rungs_of(trial)
    if not rungs:
        return None
    best_step = max(rungs, key=lambda step: sign * rungs[step])
    best, last = rungs[best_step], rungs[max(rungs)]
    return Overfitting(best_step, best, last, sign * (best - last))


def endings(trials: Sequence[FrozenTrial], both: bool) -> tuple[Ending, ...]:
    """Trials that failed or were stopped, grouped by reason (numbers in it aside)."""
    groups: dict[tuple[str, bool | None, str], list[FrozenTrial]] = defaultdict(list)
    for trial in trials:
        if trial.state in (TrialState.FAIL, TrialState.PRUNED):
            kind = moves(trial) if both else None
            pattern = NUMBER.sub("#", TrialRecord.of(trial).reason)
            groups[state_of(trial), kind, pattern].append(trial)
    rows = [
        Ending(
            state,
            with_ranges([TrialRecord.of(trial).reason for trial in group]),
            tuple(trial.number for trial in group),
            kind,
        )
        for (state, kind, _), group in groups.items()
    ]
    return tuple(sorted(rows, key=lambda row: (row.state, -len(row.trials))))


def with_ranges(reasons: Sequence[str]) -> str:
    """Reasons that differ in their numbers alone, as one: `step 100 to 250` for steps 100, 250."""
    columns = iter(zip(*(NUMBER.findall(reason) for reason in reasons), strict=True))

    def spread(_: re.Match[str]) -> str:
        values = sorted(next(columns), key=float)
        low, high = values[0], values[-1]
        return low if float(low) == float(high) else f"{low} to {high}"

    return NUMBER.sub(spread, reasons[0])
