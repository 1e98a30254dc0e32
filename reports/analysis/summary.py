"""The facts of a study that a report presents, without any texts or figures."""

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
class TrialFacts:
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
    """A loss and what the guide expects of it; `holds` is None if the loss was not measured."""

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

    A number in the reason that differs between them is given as a range. `moves` is None in a study
    of one kind of generator.
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
        sign: 1 if a higher score is better, else -1.
        winner: see `winning_trial`.
        best_other: the best of the other finalists, if the recommended setting is the winner.
        baseline: the guide's recommended setting.
        problem: the guide's setting that blurs.
        as_is: the best for an unchanged train.py; None in a study of one kind of generator.
        same_kind: the completed trials of the winner's kind of generator.
        both: whether the study tries both kinds.
        settings: names of the settings in which its trials may differ: the five and the extras.
        objectives: of a Pareto search.
        front: its trials that no other dominates.
        finals: None until the finalists are compared.
    """

    name: str
    sign: int
    counts: Counter[str]
    budget: int | None
    winner: TrialFacts | None
    best_other: TrialFacts | None
    baseline: TrialFacts | None
    problem: TrialFacts | None
    as_is: TrialFacts | None
    noop: float | None
    warm_start: float | None
    other_warm_start: float | None
    oracle: float | None
    recipes: tuple[TrialFacts, ...]
    same_kind: tuple[int, ...]
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
        winner=trial_facts(best) if best else None,
        best_other=best_other(study, best),
        baseline=trial_facts(recommended) if recommended else None,
        problem=trial_facts(problem) if problem else None,
        as_is=trial_facts(as_is) if as_is else None,
        noop=scores.noop if scores else None,
        warm_start=scores.warm_start if scores else None,
        other_warm_start=scores.other_warm_start if scores else None,
        oracle=scores.oracle if scores else None,
        recipes=tuple(trial_facts(trial) for trial in trials if TrialRecord.of(trial).recipe),
        both=both,
        settings=tuple(
            dict.fromkeys([*PARAMS, *(key for one in trials for key in extras_of(one))])
        ),
        same_kind=tuple(trial.number for trial in same_kind(study)),
        losses=loss_checks(best) if best else (),
        overfitting=overfitting(best, sign) if best else None,
        endings=endings(trials, both),
        objectives=objectives_of(study),
        front=tuple(trial.number for trial in trials_by_score(study)) if is_pareto(study) else (),
        finals=record.finalists,
        effects=effects_by_kind(study, sign, both),
    )


def trial_facts(trial: FrozenTrial) -> TrialFacts:
    """A trial's facts; the score only if it is final."""
    record = TrialRecord.of(trial)
    return TrialFacts(
        trial=trial.number,
        state=state_of(trial),
        recipe=record.recipe,
        params=settings_of(trial),
        score=score_of(trial) if trial.state == TrialState.COMPLETE else None,
        components=record.components,
        seconds=record.seconds,
    )


def best_other(study: Study, winner: FrozenTrial | None) -> TrialFacts | None:
    finals = StudyRecord.of(study).finalists
    if not (finals and winner and TrialRecord.of(winner).recipe == RECOMMENDED):
        return None
    others = (row for row in finals.of_search if row.trial != winner.number)
    best = next(others, None)
    return trial_facts(trial_of_row(study, best)) if best else None


def same_kind(study: Study) -> list[FrozenTrial]:
    """The completed trials of the winner's kind of generator, which differ only in settings."""
    best = winning_trial(study)
    trials = completed(study)
    if best is None or not tries_both_kinds(study):
        return trials
    return [trial for trial in trials if moves(trial) == moves(best)]


def effects_by_kind(study: Study, sign: int, both: bool) -> tuple[KindEffects, ...]:
    """The settings' effects on the score, for each kind of generator separately, since the scores
    of the two kinds are far apart."""
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
    """How the validation score changed over the rungs; `sign` is -1 if less is better."""
    rungs = rungs_of(trial)
    if not rungs:
        return None
    best_step = max(rungs, key=lambda step: sign * rungs[step])
    best, last = rungs[best_step], rungs[max(rungs)]
    return Overfitting(best_step, best, last, sign * (best - last))


def endings(trials: Sequence[FrozenTrial], both: bool) -> tuple[Ending, ...]:
    """Trials that failed or were stopped, grouped by reason (regardless of the numbers in it)."""
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
    """Reasons that differ only in their numbers, as one: `step 100 to 250` for steps 100, 250."""
    columns = iter(zip(*(NUMBER.findall(reason) for reason in reasons), strict=True))

    def spread(_: re.Match[str]) -> str:
        values = sorted(next(columns), key=float)
        low, high = values[0], values[-1]
        return low if float(low) == float(high) else f"{low} to {high}"

    return NUMBER.sub(spread, reasons[0])
