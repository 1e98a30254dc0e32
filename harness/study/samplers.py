"""How the next setting is chosen and when a trial is stopped: samplers and pruners by name.

A sampler is made anew for every trial, from a seed of that trial's own: what it knows is in the
study, so that going on with a study repeats no suggestion and equals never having stopped.
"""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

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
from search_spaces.generators import GENERATOR, REPAINT, WARP, GeneratorKind

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


ONE_IN = 3
"""Of the trials that a sampler chooses, one in so many stays with the user's own generator."""


def kind_at(number: int) -> GeneratorKind:
    """The kind of generator that a sampled trial has by its place in a study of both kinds.

    Not by the trials' results: so it is the same with any number of workers, and when a study goes
    on. A failed trial is replaced by the next place, whatever that is.
    """
    return REPAINT if number % ONE_IN == ONE_IN - 1 else WARP


class TrialsOfOneKind:
    """A study's storage without the trials of the other kind of generator.

    All that samplers and pruners learn from goes through `get_all_trials`.
    """

    def __init__(self, storage: Any, kind: str | None) -> None:
        self.storage = storage
        self.kind = kind

    def get_all_trials(self, *args: Any, **kwargs: Any) -> list[FrozenTrial]:
        found = self.storage.get_all_trials(*args, **kwargs)
        return [trial for trial in found if trial.params.get(GENERATOR) == self.kind]

    def __getattr__(self, name: str) -> Any:
        if name == "storage":  # of one that is being copied
            raise AttributeError(name)
        return getattr(self.storage, name)


def of_one_kind(study: Study, kind: str | None) -> Study:
    """The same study as far as its trials are of that kind."""
    storage: Any = TrialsOfOneKind(study._storage, kind)
    return Study(study.study_name, storage, study.sampler, study.pruner)


class SamplerOfKinds(BaseSampler):
    """Gives each trial the kind of generator of its place, and the other settings by a sampler
    that sees the trials of that kind alone.

    Args:
        make: makes the sampler of a kind.
    """

    def __init__(self, make: Callable[[str], BaseSampler]) -> None:
        self.make = make
        self.made: dict[str, tuple[BaseSampler, Study]] = {}

    def kind(self, trial: FrozenTrial) -> str:
        """Of a trial that is enqueued, asked for again, or new."""
        asked = trial.system_attrs.get("fixed_params", {})
        kind: str = {**asked, **trial.params}.get(GENERATOR, kind_at(trial.number))
        return kind

    def of(self, study: Study, trial: FrozenTrial) -> tuple[BaseSampler, Study]:
        """The sampler of a trial's kind, and what it sees of the study."""
        kind = self.kind(trial)
        if kind not in self.made:
            self.made[kind] = self.make(kind), of_one_kind(study, kind)
        return self.made[kind]

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        sampler, seen = self.of(study, trial)
        found = sampler.infer_relative_search_space(seen, trial)
        return {name: entry for name, entry in found.items() if name != GENERATOR}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        sampler, seen = self.of(study, trial)
        return sampler.sample_relative(seen, trial, search_space)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        if param_name == GENERATOR:
            return self.kind(trial)
        sampler, seen = self.of(study, trial)
        return sampler.sample_independent(seen, trial, param_name, param_distribution)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        sampler, seen = self.of(study, trial)
        sampler.before_trial(seen, trial)

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        sampler, seen = self.of(study, trial)
        sampler.after_trial(seen, trial, state, values)


class PrunerOfKinds(BasePruner):
    """Compares a trial with those of its own kind of generator."""

    def __init__(self, pruner: BasePruner) -> None:
        self.pruner = pruner

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        return self.pruner.prune(of_one_kind(study, trial.params.get(GENERATOR)), trial)


def make_sampler(
    name: SamplerName, seed: int, number: int, flat: bool, both: bool = False
) -> BaseSampler:
    """The sampler of trial `number` in a study of `seed`.

    Args:
        flat: no setting of the space depends on another.
        both: the space holds both kinds of generator.
    """

    def of_kind(kind: str) -> BaseSampler:
        return plain_sampler(name, seed, number, flat, kind)

    return SamplerOfKinds(of_kind) if both else of_kind(REPAINT)


def plain_sampler(name: SamplerName, seed: int, number: int, flat: bool, kind: str) -> BaseSampler:
    """The sampler of a study of one kind of generator, or of the trials of that kind.

    The recipes count among the trials that TPE and GP begin with (10) and do not learn from. TPE
    learns the settings of each branch of a conditional space together (`group`); the others draw
    a conditional setting at random.
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
                # One sequence a study and kind: the study itself counts the points drawn from it.
                return QMCSampler(
                    scramble=True,
                    seed=derived_seed(seed, int(kind == WARP)),
                    independent_sampler=RandomSampler(seed=own),
                    warn_independent_sampling=False,
                )
            case "random":
                return RandomSampler(seed=own)


def derived_seed(seed: int, number: int) -> int:
    """A 32-bit seed that neighbouring seeds and numbers do not share."""
    from numpy.random import SeedSequence

    return int(SeedSequence([seed, number]).generate_state(1)[0])


def make_pruner(name: PrunerName, rungs: Sequence[int], both: bool = False) -> BasePruner:
    """What stops trials at their `rungs` (steps, ascending).

    Args:
        both: the study holds both kinds of generator.
    """
    pruner = plain_pruner(name, rungs)
    return PrunerOfKinds(pruner) if both else pruner


def plain_pruner(name: PrunerName, rungs: Sequence[int]) -> BasePruner:
    """The pruner of a study of one kind of generator, or of the trials of one kind.

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
