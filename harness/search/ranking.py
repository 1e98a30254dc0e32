"""Which trials lead a study. Decided once when a trial completes, for all that act on it."""

from collections.abc import Sequence
from dataclasses import dataclass

from optuna import Study
from optuna.trial import FrozenTrial

from reports.record import RECOMMENDED, is_pareto, moves, trials_by_score

KEPT = 3
"""Of a search with one objective, the files of so many of the best trials are kept."""


@dataclass(frozen=True)
class Standing:
    """What the completion of a trial changed.

    Attributes:
        kept: whether the trial's files are to be kept.
        displaced: numbers of the trials whose files were kept and are not any more.
        leads: whether the trial is the best now.
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
        leaders: numbers of the trials whose files are kept, the best first: the best `KEPT`, or
            all of a Pareto search's front. In a study of both kinds of generator, also the best
            that an unchanged train.py can run.
    """

    def __init__(self, study: Study, both_kinds: bool) -> None:
        self.study = study
        self.both_kinds = both_kinds
        self.leaders = self.among(None)

    def among(self, candidates: Sequence[FrozenTrial] | None) -> list[int]:
        """The leaders among some completed trials, or among all of the study."""
        ordered = trials_by_score(self.study, candidates)
        if is_pareto(self.study):
            return [trial.number for trial in ordered]
        found = [trial.number for trial in ordered[:KEPT]]
        if self.both_kinds:
            found += [trial.number for trial in ordered if not moves(trial)][:1]
        return list(dict.fromkeys(found))

    def update(self, number: int, recipe: str | None) -> Standing:
        """Rank the trials anew after this one completed."""
        trials = self.study.get_trials(deepcopy=False)
        candidates = [trials[each] for each in {*self.leaders, number}]
        # The guards are relative to the guide's recommendation: once it completes, trials that
        # did not lead may do so.
        everyone = recipe == RECOMMENDED
        before, self.leaders = self.leaders, self.among(None if everyone else candidates)
        return Standing(
            kept=number in self.leaders,
            displaced=tuple(sorted({*before, number} - set(self.leaders))),
            leads=self.leaders[:1] == [number],
            best_changed=self.leaders != before or recipe is not None,
        )
