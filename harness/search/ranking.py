"""Rank the trials of a study, once per completed trial, on behalf of all callbacks."""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass

from optuna import Study
from optuna.trial import FrozenTrial, TrialState

from harness.trials.messages import Rung
from reports.record.names import RECOMMENDED
from reports.record.queries import is_pareto, repainting_by_score, trials_by_score
from reports.record.trial import TrialRecord

KEPT = 3
"""Number of best trials whose files are kept, in a search with one objective."""


@dataclass(frozen=True)
class RankingChange:
    """How a completed trial changed the ranking.

    Attributes:
        kept: whether to keep the trial's files.
        displaced: numbers of the trials whose files are no longer kept.
        leads: whether the trial is the new best.
        best_changed: whether `best.yaml` may have to change.
    """

    kept: bool
    displaced: tuple[int, ...]
    leads: bool
    best_changed: bool


class Ranking:
    """The leading trials of a study, updated as trials complete.

    Args:
        both_kinds: the study tries both kinds of generator.

    Attributes:
        leaders: numbers of the trials whose files are kept, best first: the best `KEPT`, or the
            whole front of a Pareto search. With both kinds of generator, also the best, or the
            front, of what an unmodified train.py can run.
    """

    def __init__(self, study: Study, both_kinds: bool) -> None:
        self.study = study
        self.both_kinds = both_kinds
        self.leaders = self.among(None)

    def among(self, candidates: Sequence[FrozenTrial] | None) -> list[int]:
        """The leaders among these completed trials; None: among all trials of the study."""
        pareto = is_pareto(self.study)
        found = trials_by_score(self.study, candidates)[: None if pareto else KEPT]
        if self.both_kinds:
            found += repainting_by_score(self.study, candidates)[: None if pareto else 1]
        return list(dict.fromkeys(trial.number for trial in found))

    def may_lead(self, number: int, values: list[float], rung: Rung) -> bool:
        """Whether the files of a trial will be kept if it completes with this rung.

        Other trials that complete first can only displace it, with one exception: the guards are
        relative to the recommended recipe, so any trial may lead while that runs or waits.
        """
        trials = self.study.get_trials(deepcopy=False)
        recipes = {TrialRecord.of(each).recipe for each in trials if not each.state.is_finished()}
        if RECOMMENDED in recipes or TrialRecord.of(trials[number]).recipe is not None:
            return True
        completed = copy(trials[number])
        completed.state, completed.values = TrialState.COMPLETE, values
        completed.user_attrs = completed.user_attrs | TrialRecord.attributes(
            components=rung.components, score=rung.value
        )
        return number in self.among([*(trials[each] for each in self.leaders), completed])

    def update(self, number: int, recipe: str | None) -> RankingChange:
        """Update the ranking after this trial completed."""
        trials = self.study.get_trials(deepcopy=False)
        candidates = [trials[each] for each in {*self.leaders, number}]
        # The guards are relative to the recommended recipe: once it completes, every trial must be
        # ranked again.
        everyone = recipe == RECOMMENDED
        before, self.leaders = self.leaders, self.among(None if everyone else candidates)
        return RankingChange(
            kept=number in self.leaders,
            displaced=tuple(sorted({*before, number} - set(self.leaders))),
            leads=self.leaders[:1] == [number],
            best_changed=self.leaders != before or recipe is not None,
        )
