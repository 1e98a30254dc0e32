"""Samplers, which suggest the parameters of trials, by name.

Each trial gets a new sampler, seeded by the trial's number. All its state is in the study, so a
resumed study repeats no suggestion and equals an uninterrupted one.
"""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import (
    BaseSampler,
    CmaEsSampler,
    GPSampler,
    QMCSampler,
    RandomSampler,
    TPESampler,
)
from optuna.trial import FrozenTrial, TrialState

from harness.config.settings import SamplerName
from harness.study.one_kind import of_one_kind
from reports.record.trial import enqueued_params
from search_spaces.generators import GENERATOR, REPAINT, WARP, GeneratorKind


class FlatTPESampler(TPESampler):
    """Optuna's TPE for a space without conditional parameters.

    It makes the same suggestions, but does not first derive the space from all trials.
    """

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        ended = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
        space = ended[0].distributions if ended else {}
        return {name: space[name] for name in sorted(space) if not space[name].single()}


REPAINT_EVERY = 3
"""Every third sampled trial uses the user's own kind of generator (repaint)."""


def kind_at(number: int) -> GeneratorKind:
    """The kind of generator of a sampled trial, by its number, in a study of both kinds.

    It does not depend on results, so neither the number of workers nor a resume changes it. The
    trial that replaces a failed one has the next number, and may be of the other kind.
    """
    return REPAINT if number % REPAINT_EVERY == REPAINT_EVERY - 1 else WARP


class SamplerOfKinds(BaseSampler):
    """Chooses the kind of generator by the trial's number, and the other parameters by a sampler
    that sees only the trials of that kind.

    Args:
        make: creates the sampler of a kind.
    """

    def __init__(self, make: Callable[[str], BaseSampler]) -> None:
        self.make = make
        self.samplers: dict[str, tuple[BaseSampler, Study]] = {}

    def kind(self, trial: FrozenTrial) -> str:
        """The kind of an enqueued, requeued or new trial."""
        kind: str = {**enqueued_params(trial), **trial.params}.get(GENERATOR, kind_at(trial.number))
        return kind

    def of(self, study: Study, trial: FrozenTrial) -> tuple[BaseSampler, Study]:
        """The sampler of a trial's kind, and its view of the study."""
        kind = self.kind(trial)
        if kind not in self.samplers:
            self.samplers[kind] = self.make(kind), of_one_kind(study, kind)
        return self.samplers[kind]

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        sampler, view = self.of(study, trial)
        found = sampler.infer_relative_search_space(view, trial)
        return {name: entry for name, entry in found.items() if name != GENERATOR}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        sampler, view = self.of(study, trial)
        return sampler.sample_relative(view, trial, search_space)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        if param_name == GENERATOR:
            return self.kind(trial)
        sampler, view = self.of(study, trial)
        return sampler.sample_independent(view, trial, param_name, param_distribution)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        sampler, view = self.of(study, trial)
        sampler.before_trial(view, trial)

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        sampler, view = self.of(study, trial)
        sampler.after_trial(view, trial, state, values)


def make_sampler(
    name: SamplerName, seed: int, number: int, flat: bool, both: bool = False
) -> BaseSampler:
    """The sampler of trial `number` in a study with the seed `seed`.

    Args:
        flat: whether the space has no conditional parameters.
        both: whether the space has both kinds of generator.
    """

    def of_kind(kind: str) -> BaseSampler:
        return plain_sampler(name, seed, number, flat, kind)

    return SamplerOfKinds(of_kind) if both else of_kind(REPAINT)


def plain_sampler(name: SamplerName, seed: int, number: int, flat: bool, kind: str) -> BaseSampler:
    """The sampler for one kind of generator.

    The recipes count among the 10 startup trials of TPE and GP. TPE models the parameters of each
    branch of a conditional space jointly (`group`); other samplers draw conditional parameters at
    random.
    """
    trial_seed = derived_seed(seed, number)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        match name:
            case "tpe" if flat:
                return FlatTPESampler(seed=trial_seed, multivariate=True)
            case "tpe":
                return TPESampler(seed=trial_seed, multivariate=True, group=True)
            case "gp":
                return GPSampler(seed=trial_seed, warn_independent_sampling=False)
            case "cmaes":
                return CmaEsSampler(seed=trial_seed, warn_independent_sampling=False)
            case "qmc":
                # One sequence per study and kind: the study stores how many points were drawn.
                return QMCSampler(
                    scramble=True,
                    seed=derived_seed(seed, int(kind == WARP)),
                    independent_sampler=RandomSampler(seed=trial_seed),
                    warn_independent_sampling=False,
                )
            case "random":
                return RandomSampler(seed=trial_seed)


def derived_seed(seed: int, number: int) -> int:
    """A 32-bit seed that differs between neighbouring seeds and numbers."""
    from numpy.random import SeedSequence

    return int(SeedSequence([seed, number]).generate_state(1)[0])
