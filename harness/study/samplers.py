"""How the next setting is chosen and when a trial is stopped: samplers and pruners by name.

A sampler is made anew for every trial, from a seed of that trial's own: what it knows is in the
study, so that going on with a study repeats no suggestion and equals never having stopped.
"""

import warnings
from collections.abc import Sequence

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import (
    BasePruner,
    HyperbandPruner,
    MedianPruner,
    NopPruner,
    SuccessiveHalvingPruner,
)
from optuna.samplers import (
    BaseSampler,
    CmaEsSampler,
    GPSampler,
    QMCSampler,
    RandomSampler,
    TPESampler,
)
from optuna.trial import FrozenTrial, Trial, TrialState

from harness.config.settings import PrunerName, SamplerName

KEEP_ONE_IN = 2
"""Of the trials at a rung, ASHA and Hyperband let the best one in so many go on."""

WHY_PRUNED = {
    "median": "is below the median there",
    "asha": "is not in the better half there",
    "hyperband": "is not in the better half of its bracket there",
    "none": "",
}
"""What a pruner's verdict means, after the score that it judged."""


class FlatTPESampler(TPESampler):
    """Optuna's TPE in a space of which every trial has every setting.

    It suggests what Optuna's would, which first reads the space off every trial there is.
    """

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        ended = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
        space = ended[0].distributions if ended else {}
        return {name: space[name] for name in sorted(space) if not space[name].single()}


def make_sampler(name: SamplerName, seed: int, number: int, flat: bool) -> BaseSampler:
    """The sampler of trial `number` in a study of `seed`.

    The recipes count among the trials that TPE and GP begin with (10) and do not learn from. TPE
    learns the settings of each branch of a conditional space together (`group`); the others draw
    a conditional setting at random.

    Args:
        flat: no setting of the space depends on another.
    """
    own = derived_seed(seed, number)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        match name:
            case "tpe" if flat:
                return FlatTPESampler(seed=own, multivariate=True)
            case "tpe":
                return TPESampler(seed=own, multivariate=True, group=True)
            case "gp":
                return GPSampler(seed=own, warn_independent_sampling=False)
            case "cmaes":
                return CmaEsSampler(seed=own, warn_independent_sampling=False)
            case "qmc":
                # One sequence a study: the study itself counts the points drawn from it.
                return QMCSampler(
                    scramble=True,
                    seed=derived_seed(seed, 0),
                    independent_sampler=RandomSampler(seed=own),
                    warn_independent_sampling=False,
                )
            case "random":
                return RandomSampler(seed=own)


def derived_seed(seed: int, number: int) -> int:
    """A 32-bit seed that neighbouring seeds and numbers do not share."""
    from numpy.random import SeedSequence

    return int(SeedSequence([seed, number]).generate_state(1)[0])


def make_pruner(name: PrunerName, rungs: Sequence[int]) -> BasePruner:
    """What stops trials at their `rungs` (steps, ascending).

    That a rung says something about the end is the profile's business: its first rung comes late
    enough.
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
    """Whether the study's pruner stops a trial at `step`, which it has reported.

    The guide's recipes are what others are judged by: they are always run to their end.
    """
    return "recipe" not in trial.user_attrs and step < last and trial.should_prune()
