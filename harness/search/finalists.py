"""The confirmation: the best settings and the guide's own, trained again on fresh seeds.

The best of fifty single runs is partly luck ("Overtuning", arXiv 2506.19540). So the leaders and
the guide's recommendation are trained anew, longer, on seeds that the search has not seen, and
scored on pictures that it has not seen; `harness.evaluation.verdict` says what is made of that.

Their runs are a study of their own beside the search's: the sampler does not learn from them.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

from optuna import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from harness.config.settings import FINAL_TIMES
from harness.evaluation.verdict import Finalist, conclude
from harness.search.callbacks import TrialCallback
from harness.search.plan import SearchPlan
from harness.search.ranking import Standing
from harness.study.samplers import derived_seed
from harness.study.study import finals_of, requeue
from harness.tracking import Tracker
from harness.trials.messages import Rung, TrialTask
from reports.record.finalists import Finalists, Ranked
from reports.record.names import MOVING, RECOMMENDED, trial_name
from reports.record.queries import (
    recipe_trial,
    repainting_by_score,
    settings_of,
    sign_of,
    trials_by_score,
)
from reports.record.study import StudyRecord
from reports.record.trial import FinalistRun, TrialRecord
from search_spaces.recipes import load_recipes
from search_spaces.trial_params import FIVE, TrialParams

# Seeds of the search are small numbers and its samplers' are derived from trial numbers.
FIRST_SEED = 1_000_000


def choose(study: Study, count: int, netG: str | None = None) -> tuple[Finalist, ...]:
    """The `count` best settings of the search that differ, then the guide's recommendation.

    Args:
        netG: in a study of both kinds of generator, the one that repaints. Then the last place is
            that of the recipe `warp` if it does not lead: a short trial says too little about it.
            The best setting that repaints has a place beside them, and where it has one already,
            the next best.
    """
    baseline = recipe_trial(study, RECOMMENDED)
    recommended = load_recipes()[RECOMMENDED].model_dump() | ({"netG": netG} if netG else {})
    if baseline:
        recommended = settings_of(baseline)
    found: list[Finalist] = []

    def take(trials: Iterable[FrozenTrial], most: int) -> None:
        for trial in trials:
            params = settings_of(trial)
            if len(found) < most and params not in [recommended, *(one.params for one in found)]:
                recipe = TrialRecord.of(trial).recipe
                found.append(Finalist(trial_name(trial.number), trial.number, recipe, params))

    ordered = trials_by_score(study)
    if netG and count > 1 and (ours := moving_recipe(study)):
        take(ordered, count - 1)
        take([ours], count)
    take(ordered, count)
    if netG:
        if all(one.moves for one in found):
            take(repainting_by_score(study), count + 1)
        take(ordered, count + 1)
    own = baseline.number if baseline else None
    return (*found, Finalist(RECOMMENDED, own, RECOMMENDED, recommended))


def moving_recipe(study: Study) -> FrozenTrial | None:
    """The trial of the recipe `warp`, unless an earlier version confirmed the study without it."""
    runs = [FinalistRun.of(run).recipe for run in final_trials(study)]
    return recipe_trial(study, MOVING) if MOVING in runs or not runs else None


def final_trials(study: Study, *states: TrialState) -> list[FrozenTrial]:
    """The finalists' runs that a study has, in these states or in any."""
    found = finals_of(study)
    return found.get_trials(deepcopy=False, states=states or None) if found else []


def finished_runs(study: Study) -> int:
    """Finalists' runs that a study has behind it."""
    return len(final_trials(study, TrialState.COMPLETE, TrialState.PRUNED))


class FinalPhase:
    """Hands out the finalists' runs, seed by seed, so that a part of them is still paired.

    Args:
        searched: the search's study; what is found is noted there.
        study: the finalists' runs, from `harness.study.study.final_study`.
        finalists: the last is what the others are compared with.
        done: trials of the budget that the search itself took.
    """

    callbacks: Sequence[TrialCallback] = ()

    def __init__(
        self,
        plan: SearchPlan,
        searched: Study,
        study: Study,
        finalists: tuple[Finalist, ...],
        tracker: Tracker,
        done: int,
    ) -> None:
        self.searched = searched
        self.study = study
        self.finalists = finalists
        self.tracker = tracker
        self.train = plan.trial_plan.train.longer(FINAL_TIMES)
        self.paths = plan.paths
        self.of_both_kinds = plan.of_both_kinds
        repeats = range(plan.config.repeats)
        self.seeds = [derived_seed(plan.config.seed, FIRST_SEED + repeat) for repeat in repeats]
        self.enqueue()
        self.done = done + len(self.runs(TrialState.COMPLETE, TrialState.PRUNED))

    def enqueue(self) -> None:
        """Queue the runs that are missing; take back those of settings that lead no more."""
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            requeue(self.study, trial)
        wanted = {
            run_key(one.params, seed): (one, seed) for seed in self.seeds for one in self.finalists
        }
        for trial in self.study.get_trials(deepcopy=False):
            key = key_of(trial)
            if trial.state == TrialState.WAITING and key not in wanted:
                self.study._storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
            elif trial.state != TrialState.FAIL:
                wanted.pop(key, None)
        for one, seed in wanted.values():
            noted = {"finalist": one.name, "params": dict(one.params), "seed": seed}
            recipe = {"recipe": one.recipe} if one.recipe else {}
            self.study.enqueue_trial({}, FinalistRun.attributes(**noted, **recipe))

    def runs(self, *states: TrialState) -> list[FrozenTrial]:
        """The runs, in these states, of those who are finalists now."""
        wanted = {run_key(one.params, seed) for one in self.finalists for seed in self.seeds}
        found = self.study.get_trials(deepcopy=False, states=states)
        return [trial for trial in found if key_of(trial) in wanted]

    def exhausted(self) -> bool:
        return not self.study.get_trials(deepcopy=False, states=(TrialState.WAITING,))

    def next(self) -> tuple[Trial, TrialTask]:
        trial = self.study.ask()
        self.done += 1
        run = FinalistRun.of(trial)
        settings = run.params
        params = TrialParams.model_validate({name: settings[name] for name in FIVE})
        extras = {name: value for name, value in settings.items() if name not in FIVE}
        return trial, TrialTask(trial.number, params, run.seed, "final", extras)

    def report(self, trial: Trial, step: int, value: float) -> None:
        trial.report(value, step)

    def hopeless(self, trial: Trial, rung: Rung) -> bool:
        return False

    def values(self, rung: Rung) -> list[float]:
        return [rung.value]

    def guard(self, trial: Trial, rung: Rung) -> str:
        return ""  # they kept the guards in the search

    def rank(self, number: int, recipe: str | None) -> Standing | None:
        return None  # the weights of all are kept until the winner is known

    def conclude(self) -> None:
        """Note on the search's study what the runs show; None where they are too few."""
        runs = self.runs(TrialState.COMPLETE, TrialState.PRUNED)
        shown = conclude(
            [with_runs(one, runs) for one in self.finalists],
            self.finalists[-1].name,
            sign_of(self.searched),
            self.of_both_kinds,
        )
        StudyRecord.note(self.searched, finalists=shown and self.confirmed(shown, runs))

    def confirmed(self, shown: Ranked, runs: Sequence[FrozenTrial]) -> Finalists:
        """The ranking, with how the finalists were run and the weights that are kept."""
        record = StudyRecord.of(self.searched)
        exported = [row for row in shown.rows if row.trial is not None]
        kept = [next((row.name for row in exported), shown.winner)]
        if shown.as_is:
            kept.append(next((row.name for row in exported if not row.moves), shown.as_is.name))
        checkpoint, *others = self.keep_weights(kept, runs)
        return Finalists(
            **dict(shown)
            | {"as_is": shown.as_is and shown.as_is.model_copy(update={"checkpoint": others[0]})},
            steps=self.train.steps,
            seeds=self.seeds,
            pairs=record.setup.data.n_test,
            noop=record.baseline.held_out_noop if record.baseline else None,
            runs=len(runs),
            checkpoint=checkpoint,
        )

    def keep_weights(self, names: Sequence[str], runs: Sequence[FrozenTrial]) -> list[str | None]:
        """Drop the weights of every run but the first of each finalist of these names."""
        kept = [
            min(
                (
                    trial
                    for trial in runs
                    if FinalistRun.of(trial).finalist == name and trial.values
                ),
                key=lambda trial: trial.number,
            )
            for name in names
        ]
        numbers = {trial.number for trial in kept}
        for trial in self.study.get_trials(deepcopy=False):
            if trial.number not in numbers:
                self.paths.final_checkpoint(trial.number).unlink(missing_ok=True)
        return [TrialRecord.of(trial).checkpoint for trial in kept]


def with_runs(one: Finalist, runs: Iterable[FrozenTrial]) -> Finalist:
    """A finalist with what its runs showed."""
    own = [trial for trial in runs if FinalistRun.of(trial).params == one.params]
    done = [FinalistRun.of(trial) for trial in own if trial.state == TrialState.COMPLETE]
    scores = {
        run.seed: [row.score for row in run.per_image if row.score is not None] for run in done
    }
    names = done[0].components if done else ()
    components = {name: fmean(run.components[name] for run in done) for name in names}
    return replace(one, scores=scores, components=components, diverged=len(done) < len(own))


def run_key(params: Any, seed: int) -> str:
    """What tells one run from another: its setting and its seed."""
    return json.dumps([dict(params), seed], sort_keys=True)


def key_of(trial: FrozenTrial) -> str:
    run = FinalistRun.of(trial)
    return run_key(run.params, run.seed)
