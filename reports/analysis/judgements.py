"""Blind pairs for a person to judge, and how often the judgements agree with the score.

As in preferential optimisation (optuna-dashboard has it), the question is which of two is better,
never how good one is: people compare well and rate badly.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal, get_args

from optuna import Study
from scipy.special import betaincinv  # scipy.stats takes most of a second to import

from reports.record.names import RECOMMENDED
from reports.record.queries import recipe_trial, sign_of, trials_by_score
from reports.record.study import Judgement, StudyRecord
from reports.record.trial import TrialRecord

LEADERS = 3
"""How many of the best trials are judged before there are finalists."""
Choice = Literal["left", "right", "same"]
CHOICES: tuple[Choice, ...] = get_args(Choice)


@dataclass(frozen=True)
class Pair:
    """One picture as two trials restored it, on the sides where they are displayed."""

    picture: int  # row of the panels, from 0
    left: int
    right: int


@dataclass(frozen=True)
class Agreement:
    """How often the person chose the crop that scores better.

    Attributes:
        agreed: of the `decided` judgements.
        decided: judgements that chose one of two whose scores differ.
        undecided: the other judgements.
        low, high: the ends of the exact 95 % interval of agreed / decided (Clopper and Pearson,
            1934), as if the judgements were independent.
        preferred: by trial: how often it was chosen, and in how many decided pairs it was; the most
            often chosen first.
    """

    agreed: int
    decided: int
    undecided: int
    low: float
    high: float
    preferred: dict[int, tuple[int, int]]


def judged_trials(study: Study) -> list[int]:
    """The finalists' trials; before there are any, the leaders and the recommended setting."""
    finals = StudyRecord.of(study).finalists
    if finals:
        return [row.trial for row in finals.of_search if row.trial is not None]
    leaders = [trial.number for trial in trials_by_score(study)[:LEADERS]]
    recommended = recipe_trial(study, RECOMMENDED)
    return list(dict.fromkeys([*leaders, *([recommended.number] if recommended else [])]))


def pairs_to_judge(study: Study, trials: Sequence[int], pictures: int) -> list[Pair]:
    """Every two trials on every picture, unless they have been judged already, in random order.

    The same study gives the same order, so that judging goes on where it stopped. The first pairs
    show every two trials once.
    """
    chance = random.Random(f"{study.study_name} {trials}")
    trial_pairs = list(combinations(trials, 2))
    ordered = []
    for turn in range(pictures):
        for index, two in chance.sample(list(enumerate(trial_pairs)), len(trial_pairs)):
            left, right = chance.sample(two, 2)
            ordered.append(Pair((index + turn) % pictures, left, right))
    return unjudged(study, ordered)


def unjudged(study: Study, pairs: Sequence[Pair]) -> list[Pair]:
    """Those that nobody has judged yet, on whichever sides their crops were displayed."""

    def crops(row: Pair | Judgement) -> tuple[int, frozenset[int]]:
        return row.picture, frozenset((row.left, row.right))

    judged = {crops(row) for row in judgements(study)}
    return [pair for pair in pairs if crops(pair) not in judged]


def judgements(study: Study) -> list[Judgement]:
    """All judgements so far, the oldest first."""
    return StudyRecord.of(study).eyes


def add_judgement(study: Study, pair: Pair, choice: Choice) -> None:
    """Add a judgement to the study."""
    row = Judgement(picture=pair.picture, left=pair.left, right=pair.right, choice=choice)
    StudyRecord.note(study, eyes=[*judgements(study), row])


def agreement(study: Study) -> Agreement | None:
    """How often the judgements agree with the score; None if nothing was judged."""
    rows = judgements(study)
    if not rows:
        return None
    sign = sign_of(study)
    trials = study.get_trials(deepcopy=False)
    agreed = decided = undecided = 0
    counts: dict[int, tuple[int, int]] = {}
    for row in rows:
        if row.choice == "same":
            undecided += 1
            continue
        left_first = row.choice == "left"
        chosen, other = (row.left, row.right) if left_first else (row.right, row.left)
        for trial in (chosen, other):
            times, total = counts.get(trial, (0, 0))
            counts[trial] = (times + (trial == chosen), total + 1)
        lead = picture_score(TrialRecord.of(trials[chosen]), row.picture)
        lead -= picture_score(TrialRecord.of(trials[other]), row.picture)
        if math.isnan(lead) or lead == 0:
            undecided += 1
        else:
            decided += 1
            agreed += sign * lead > 0
    low, high = interval(agreed, decided)
    preferred = dict(sorted(counts.items(), key=lambda item: -item[1][0] / item[1][1]))
    return Agreement(agreed, decided, undecided, low, high, preferred)


def picture_score(record: TrialRecord, picture: int) -> float:
    """A trial's score on one validation picture; NaN if it has none."""
    rows = record.per_image
    score = rows[picture].score if picture < len(rows) else None
    return math.nan if score is None else score


def interval(successes: int, total: int) -> tuple[float, float]:
    """The exact 95 % interval of a share (Clopper and Pearson, 1934); (0, 1) if `total` is 0."""
    low = betaincinv(successes, total - successes + 1, 0.025) if successes else 0.0
    high = betaincinv(successes + 1, total - successes, 0.975) if successes < total else 1.0
    return float(low), float(high)
