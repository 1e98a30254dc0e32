"""Pruners, which stop trials early, by name."""

from collections.abc import Sequence

from optuna import Study
from optuna.pruners import (
    BasePruner,
    HyperbandPruner,
    MedianPruner,
    NopPruner,
    SuccessiveHalvingPruner,
)
from optuna.trial import FrozenTrial, Trial

from harness.config.settings import PrunerName
from harness.study.one_kind import of_one_kind
from reports.record.trial import TrialRecord
from search_spaces.generators import GENERATOR

KEEP_ONE_IN = 2
"""Reduction factor of ASHA and Hyperband: the best one in so many trials passes a rung."""

WHY_PRUNED = {
    "median": "is below the median there",
    "asha": "is not in the better half there",
    "hyperband": "is not in the better half of its bracket there",
    "none": "",
}
"""Why a pruner stopped a trial, to be printed after its score."""


class PrunerOfKinds(BasePruner):
    """Compares a trial only with trials of the same kind of generator."""

    def __init__(self, pruner: BasePruner) -> None:
        self.pruner = pruner

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        return self.pruner.prune(of_one_kind(study, trial.params.get(GENERATOR)), trial)


def make_pruner(name: PrunerName, rungs: Sequence[int], both: bool = False) -> BasePruner:
    """The pruner for trials with these `rungs` (steps, ascending).

    Args:
        both: the study has both kinds of generator.
    """
    pruner = plain_pruner(name, rungs)
    return PrunerOfKinds(pruner) if both else pruner


def plain_pruner(name: PrunerName, rungs: Sequence[int]) -> BasePruner:
    """The pruner for one kind of generator.

    The profile places the first rung late enough to be predictive of the final score.
    """
    match name:
        case "median":
            return MedianPruner(n_startup_trials=5, n_warmup_steps=0)
        case "asha":
            return SuccessiveHalvingPruner(min_resource=rungs[0], reduction_factor=KEEP_ONE_IN)
        case "hyperband":
            return HyperbandPruner(
                min_resource=rungs[0], max_resource=rungs[-1], reduction_factor=KEEP_ONE_IN
            )
        case "none":
            return NopPruner()


def hopeless(trial: Trial, step: int, last: int) -> bool:
    """Whether the study's pruner stops a trial at `step`, for which a score is reported.

    The guide's recipes, which are the baseline, always run to their end.
    """
    return TrialRecord.of(trial).recipe is None and step < last and trial.should_prune()
