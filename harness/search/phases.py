"""What a driver runs: a stage says which trials are next and what becomes of them."""

from typing import Protocol

from optuna import Study
from optuna.trial import FrozenTrial, Trial

from harness.config.settings import TrainSettings
from harness.search.plan import SearchPlan
from harness.search.publishing import study_note
from harness.search.result import outcome_of
from harness.search.retention import Keeper
from harness.study.constraints import broken, excess
from harness.study.pareto import values_of
from harness.study.samplers import hopeless, make_pruner
from harness.study.study import ask, counted
from harness.tracking import Tracker
from harness.trials.messages import Rung, TrialResult, TrialTask, trial_name
from reports.record import recipe_trial
from search_spaces.generators import GENERATOR, of_kind
from search_spaces.recipes import RECOMMENDED


class Stage(Protocol):
    """A study's trials of one kind, handed out one by one. Only the driver calls it.

    Attributes:
        study: the record of these trials.
        searched: the record of the whole search: what its trials share is noted there.
        tracker: their mirror.
        train: how each is trained.
        done: trials handed out and not failed, of the search's budget.
    """

    study: Study
    searched: Study
    tracker: Tracker
    train: TrainSettings
    done: int

    def exhausted(self) -> bool:
        """Whether there is no trial to hand out (a failure can make room for one)."""
        ...

    def next(self) -> tuple[Trial, TrialTask]:
        """The next trial of a stage that is not exhausted."""
        ...

    def failed(self) -> None:
        """A trial that was handed out failed through no fault of its setting."""
        ...

    def report(self, trial: Trial, step: int, value: float) -> None:
        """Record a trial's score at a rung, where the pruner and the sampler read it."""
        ...

    def hopeless(self, trial: Trial, rung: Rung) -> bool:
        """Whether to stop a trial at this rung."""
        ...

    def values(self, rung: Rung) -> list[float]:
        """What a trial that ends with this rung is told to the study with."""
        ...

    def guard(self, trial: Trial, rung: Rung) -> str:
        """Note on a trial that completes how it stands to the guards; say which it breaks."""
        ...

    def worth_keeping(self, rung: Rung) -> bool:
        """Whether the weights of a trial that ends with this rung are to be kept."""
        ...

    def keep(self, task: TrialTask, recipe: str | None, result: TrialResult) -> None:
        """Keep or drop the files of a trial that the record has as complete."""
        ...

    def leads(self, task: TrialTask) -> bool:
        """Whether a completed trial is the best so far."""
        ...


class SearchStage:
    """The search itself: the guide's recipes, then what the sampler suggests."""

    def __init__(self, plan: SearchPlan, study: Study, tracker: Tracker, budget: int) -> None:
        self.study = self.searched = study
        self.space = plan.space
        self.study.pruner = make_pruner(
            plan.config.pruner, plan.trial_plan.train.rungs, both=bool(self.space.kinds)
        )
        self.tracker = tracker
        self.train = plan.trial_plan.train
        self.pareto = plan.config.pareto
        self.done = counted(study)
        self.budget = budget
        self.seed = plan.config.seed
        self.sampler = plan.config.sampler
        self.run_dir = plan.config.run_dir
        self.keeper = Keeper(plan.paths, study)
        self.recommended: FrozenTrial | None = None  # once it has completed

    def exhausted(self) -> bool:
        return self.done >= self.budget

    def next(self) -> tuple[Trial, TrialTask]:
        trial = ask(self.study, self.space, self.sampler, self.seed)
        self.done += 1
        suggested = trial.params
        params, extras = self.space.params(suggested), self.space.extras(suggested)
        if self.space.kinds:
            extras["netG"] = of_kind(self.train.netG, suggested[GENERATOR])
        trial.set_user_attr("params", params.model_dump())
        if extras:
            trial.set_user_attr("extras", extras)
        trial.set_user_attr("seed", self.seed)
        return trial, TrialTask(trial.number, params, self.seed, extras=extras)

    def failed(self) -> None:
        self.done -= 1

    def report(self, trial: Trial, step: int, value: float) -> None:
        if not self.pareto:  # Optuna takes no such values of several objectives
            trial.report(value, step)

    def hopeless(self, trial: Trial, rung: Rung) -> bool:
        return not self.pareto and hopeless(trial, rung.step, self.train.steps)

    def values(self, rung: Rung) -> list[float]:
        return values_of(rung.components) if self.pareto else [rung.value]

    def guard(self, trial: Trial, rung: Rung) -> str:
        if self.recommended is None:
            self.recommended = recipe_trial(self.study, RECOMMENDED)
        if self.recommended is None:
            return ""
        beyond = excess(rung.components, self.recommended.user_attrs["components"])
        for name, over in beyond.items():
            trial.set_constraint(name, over)
        return broken(beyond)

    def worth_keeping(self, rung: Rung) -> bool:
        return self.keeper.would_lead(rung.value, self.values(rung))

    def keep(self, task: TrialTask, recipe: str | None, result: TrialResult) -> None:
        self.keeper.keep(task.number, recipe, result)
        if self.leads(task):
            outcome = outcome_of(self.study, self.run_dir, self.keeper.paths)
            # A winner that an earlier part of the search confirmed keeps its place until the end.
            assert outcome.winner is not None
            self.tracker.lead(trial_name(outcome.winner), study_note(self.study, outcome))

    def leads(self, task: TrialTask) -> bool:
        return task.number in self.keeper.top[:1]
