"""The phases of a search: they supply trials, and decide on pruning, guards and ranking."""

from collections.abc import Sequence
from typing import Protocol

from optuna import Study
from optuna.trial import FrozenTrial, Trial

from harness.config.settings import TrainSettings
from harness.search.callbacks import TrialCallback, TrialEnd
from harness.search.plan import SearchPlan
from harness.search.publishing import study_note
from harness.search.ranking import Ranking, RankingChange
from harness.search.result import outcome_of
from harness.search.retention import Retention
from harness.search.time_left import TimeForFinalists
from harness.study.constraints import excess, violations
from harness.study.pareto import values_of
from harness.study.pruners import hopeless, make_pruner
from harness.study.study import ask, counted
from harness.tracking.study_runs import Tracker
from harness.trials.messages import Answer, Rung, TrialTask
from reports.record.names import RECOMMENDED, trial_name
from reports.record.queries import recipe_trial
from reports.record.trial import TrialRecord
from search_spaces.generators import GENERATOR, generator_of_kind


class Phase(Protocol):
    """A phase of the search: the search itself, or the finalists' runs.

    Attributes:
        study: the record of this phase's trials.
        searched: the record of the search itself, with data that all phases share.
        tracker: MLflow.
        train: training settings of each trial.
        callbacks: called at the end of each trial of this phase.
        done: trials of the budget that have started and not failed.
    """

    study: Study
    searched: Study
    tracker: Tracker
    train: TrainSettings
    callbacks: Sequence[TrialCallback]
    done: int

    def exhausted(self) -> bool:
        """Whether no trial is left to start (a failed trial can add one)."""
        ...

    def next(self) -> tuple[Trial, TrialTask]:
        """The next trial of a phase that is not exhausted."""
        ...

    def report(self, trial: Trial, step: int, value: float) -> None:
        """Record a trial's score at a rung, for the pruner and the sampler."""
        ...

    def hopeless(self, trial: Trial, rung: Rung) -> bool:
        """Whether to prune a trial at this rung."""
        ...

    def values(self, rung: Rung) -> list[float]:
        """The objective values of a trial that ends with this rung."""
        ...

    def may_lead(self, trial: Trial, rung: Rung) -> bool:
        """Whether the files of a trial that ends with this rung may be kept."""
        ...

    def guard(self, trial: Trial, rung: Rung) -> str:
        """Record the constraints of a completed trial; returns a message about violated ones."""
        ...

    def rank(self, number: int, recipe: str | None) -> RankingChange | None:
        """Rank a completed trial; None if this phase ranks none."""
        ...


def answer(phase: Phase, trial: Trial, rung: Rung) -> Answer:
    """The answer to a trial that is not stopped.

    After its last rung it sends only its score, unless its files may be kept.
    """
    at_its_end = rung.step == phase.train.steps
    return Answer.ONLY_SCORE if at_its_end and not phase.may_lead(trial, rung) else Answer.GO_ON


class SearchPhase:
    """The search itself: the recipes, then what the sampler suggests.

    Args:
        deadline: of the whole search, by the monotonic clock; None: there is no time limit.
    """

    def __init__(
        self,
        plan: SearchPlan,
        study: Study,
        tracker: Tracker,
        budget: int,
        deadline: float | None = None,
    ) -> None:
        self.study = self.searched = study
        self.space = plan.space
        both = bool(self.space.kinds)
        self.study.pruner = make_pruner(plan.config.pruner, plan.trial_plan.train.rungs, both)
        self.tracker = tracker
        self.train = plan.trial_plan.train
        self.pareto = plan.config.pareto
        self.done = counted(study)
        self.budget = budget
        self.time_for_finalists = TimeForFinalists(study, plan, deadline)
        self.seed = plan.config.seed
        self.sampler = plan.config.sampler
        self.recommended: FrozenTrial | None = None  # once it has completed
        self.ranking = Ranking(study, both)
        self.retention = Retention(plan.paths, study, self.ranking)

        def new_leader_to_mlflow(end: TrialEnd) -> None:
            if end.leads:
                outcome = outcome_of(study, plan.config.run_dir, plan.paths)
                # In a resumed study the confirmed winner stays the winner until the end.
                assert outcome.winner is not None
                tracker.lead(trial_name(outcome.winner), study_note(study, outcome))

        self.callbacks: Sequence[TrialCallback] = (
            self.retention.on_trial_end,
            new_leader_to_mlflow,
        )

    def exhausted(self) -> bool:
        return self.done >= self.budget or self.time_for_finalists()

    def next(self) -> tuple[Trial, TrialTask]:
        trial = ask(self.study, self.space, self.sampler, self.seed)
        self.done += 1
        suggested = trial.params
        params, extras = self.space.params(suggested), self.space.extras(suggested)
        if self.space.kinds:
            extras["netG"] = generator_of_kind(self.train.netG, suggested[GENERATOR])
        attributes = {"params": params.model_dump(), "seed": self.seed}
        TrialRecord.note(trial, **attributes, **({"extras": extras} if extras else {}))
        return trial, TrialTask(trial.number, params, self.seed, extras=extras)

    def report(self, trial: Trial, step: int, value: float) -> None:
        if not self.pareto:  # Optuna supports intermediate values for one objective only
            trial.report(value, step)

    def hopeless(self, trial: Trial, rung: Rung) -> bool:
        return not self.pareto and hopeless(trial, rung.step, self.train.steps)

    def values(self, rung: Rung) -> list[float]:
        return values_of(rung.components) if self.pareto else [rung.value]

    def may_lead(self, trial: Trial, rung: Rung) -> bool:
        return self.ranking.may_lead(trial.number, self.values(rung), rung)

    def guard(self, trial: Trial, rung: Rung) -> str:
        if self.recommended is None:
            self.recommended = recipe_trial(self.study, RECOMMENDED)
        if self.recommended is None:
            return ""
        beyond = excess(rung.components, TrialRecord.of(self.recommended).components)
        for name, over in beyond.items():
            trial.set_constraint(name, over)
        return violations(beyond)

    def rank(self, number: int, recipe: str | None) -> RankingChange | None:
        return self.ranking.update(number, recipe)
