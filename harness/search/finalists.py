"""The confirmation: the best settings and the guide's own, trained again on fresh seeds.

The best of fifty single runs is partly luck ("Overtuning", arXiv 2506.19540). So the leaders and
the guide's recommendation are trained again, longer, on fresh seeds, and scored on held-out pairs;
`harness.evaluation.verdict` compares them. Their runs are a separate study, so the sampler does not
learn from them.
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
from harness.search.ranking import RankingChange
from harness.study.samplers import derived_seed
from harness.study.study import finals_of, requeue
from harness.tracking.study_runs import Tracker
from harness.trials.messages import Rung, TrialTask
from reports.record.finalists import Finalists, Ranked
from reports.record.names import MOVING, RECOMMENDED, trial_name
from reports.record.queries import (
    ENDED,
    is_pareto,
    recipe_trial,
    repainting_by_score,
    settings_of,
    sign_of,
    trials_by_score,
)
from reports.record.study import StudyRecord
from reports.record.trial import FinalistRun, TrialRecord
from search_spaces.recipes import load_recipes
from search_spaces.trial_params import REQUIRED_SETTINGS, TrialParams

# Seeds of the search are small, and those of its samplers are derived from trial numbers.
FIRST_SEED = 1_000_000


def pick_finalists(study: Study, count: int, netG: str | None = None) -> tuple[Finalist, ...]:
    """The `count` best different settings of the search, then the guide's recommendation.

    Args:
        netG: the generator that repaints, if the study has both kinds. Then the last of the
            `count` places goes to the recipe `warp` unless it leads anyway, since a short trial
            says too little about it; and one more place to the best setting that repaints or, if
            one is already among them, to the next best setting.

    Returns:
        The finalists; the last is the guide's recommendation, the baseline.
    """
    baseline = recipe_trial(study, RECOMMENDED)
    recommended = load_recipes()[RECOMMENDED].model_dump() | ({"netG": netG} if netG else {})
    if baseline:
        recommended = settings_of(baseline)
    found: list[Finalist] = []

    def take(trials: Iterable[FrozenTrial], total: int) -> None:
        for trial in trials:
            params = settings_of(trial)
            if len(found) < total and params not in [recommended, *(one.params for one in found)]:
                recipe = TrialRecord.of(trial).recipe
                found.append(Finalist(trial_name(trial.number), trial.number, recipe, params))

    ordered = trials_by_score(study)
    if netG and count > 1 and not is_pareto(study):
        take(ordered, count - 1)
        take(moving_recipe(study), count)
    take(ordered, count)
    if netG:
        if all(one.moves for one in found):
            take(repainting_by_score(study), count + 1)
        take(ordered, count + 1)
    own = baseline.number if baseline else None
    return (*found, Finalist(RECOMMENDED, own, RECOMMENDED, recommended))


def moving_recipe(study: Study) -> list[FrozenTrial]:
    """The trial of the recipe `warp` if it can win; empty if an earlier version left it out."""
    runs = [FinalistRun.of(run).recipe for run in final_trials(study)]
    found = recipe_trial(study, MOVING) if MOVING in runs or not runs else None
    return trials_by_score(study, [found]) if found else []


def final_trials(study: Study, *states: TrialState) -> list[FrozenTrial]:
    """The finalists' runs of a study in these states; in any state if none is given."""
    found = finals_of(study)
    return found.get_trials(deepcopy=False, states=states or None) if found else []


def finished_runs(study: Study) -> int:
    """The number of finished finalists' runs of a study."""
    return len(final_trials(study, *ENDED))


def counted_runs(study: Study, trials: int, runs: int) -> int:
    """The number of finished finalists' runs that count towards a budget.

    0 before the trials have ended, since the finalists may still change until then.

    Args:
        trials: trials of the search itself in the budget.
        runs: runs of finalists in the budget.
    """
    searched = study.get_trials(deepcopy=False, states=ENDED)
    return min(runs, finished_runs(study)) if len(searched) >= trials else 0


class FinalPhase:
    """Supplies the finalists' runs, seed by seed, so that an interrupted phase can be compared.

    Args:
        searched: the search's study, which gets the result.
        study: the finalists' runs, from `harness.study.study.final_study`.
        finalists: the last one is the baseline.
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
        self.done = done + len(self.runs(*ENDED))

    def enqueue(self) -> None:
        """Enqueue missing runs, and withdraw waiting ones of settings that are not finalists."""
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            requeue(self.study, trial)
        missing = {
            run_key(one.params, seed): (one, seed) for seed in self.seeds for one in self.finalists
        }
        for trial in self.study.get_trials(deepcopy=False):
            key = key_of(trial)
            if trial.state == TrialState.WAITING and key not in missing:
                self.study._storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
            elif trial.state != TrialState.FAIL:
                missing.pop(key, None)
        for one, seed in missing.values():
            attributes = {"finalist": one.name, "params": dict(one.params), "seed": seed}
            recipe = {"recipe": one.recipe} if one.recipe else {}
            self.study.enqueue_trial({}, FinalistRun.attributes(**attributes, **recipe))

    def runs(self, *states: TrialState) -> list[FrozenTrial]:
        """The runs of the current finalists, in these states."""
        expected = {run_key(one.params, seed) for one in self.finalists for seed in self.seeds}
        found = self.study.get_trials(deepcopy=False, states=states)
        return [trial for trial in found if key_of(trial) in expected]

    def exhausted(self) -> bool:
        return not self.study.get_trials(deepcopy=False, states=(TrialState.WAITING,))

    def next(self) -> tuple[Trial, TrialTask]:
        trial = self.study.ask()
        self.done += 1
        run = FinalistRun.of(trial)
        settings = run.params
        params = TrialParams.model_validate({name: settings[name] for name in REQUIRED_SETTINGS})
        extras = {name: value for name, value in settings.items() if name not in REQUIRED_SETTINGS}
        return trial, TrialTask(trial.number, params, run.seed, "final", extras)

    def report(self, trial: Trial, step: int, value: float) -> None:
        trial.report(value, step)

    def hopeless(self, trial: Trial, rung: Rung) -> bool:
        return False

    def values(self, rung: Rung) -> list[float]:
        return [rung.value]

    def may_lead(self, trial: Trial, rung: Rung) -> bool:
        return True

    def guard(self, trial: Trial, rung: Rung) -> str:
        return ""  # checked in the search

    def rank(self, number: int, recipe: str | None) -> RankingChange | None:
        return None  # all weights are kept until the winner is known

    def conclude(self) -> None:
        """Record the ranking in the search's study: None if there are too few runs."""
        runs = self.runs(*ENDED)
        ranked = conclude(
            [with_runs(one, runs) for one in self.finalists],
            self.finalists[-1].name,
            sign_of(self.searched),
            self.of_both_kinds,
        )
        StudyRecord.note(self.searched, finalists=ranked and self.confirmed(ranked, runs))

    def confirmed(self, ranked: Ranked, runs: Sequence[FrozenTrial]) -> Finalists:
        """The ranking, with the conditions of the runs and the checkpoints that are kept."""
        record = StudyRecord.of(self.searched)
        exported = [row for row in ranked.rows if row.trial is not None]
        kept = [next(iter(exported), ranked.row(ranked.winner))]
        if ranked.as_is:
            repainting = (row for row in exported if not row.moves)
            kept.append(next(repainting, ranked.row(ranked.as_is.name)))
        weights = self.keep_weights(runs)
        checkpoint, *others = (weights.get(row.name) for row in kept)
        rows = [row.model_copy(update={"checkpoint": weights.get(row.name)}) for row in ranked.rows]
        return Finalists(
            **dict(ranked)
            | {"as_is": ranked.as_is and ranked.as_is.model_copy(update={"checkpoint": others[0]})}
            | {"rows": rows},
            steps=self.train.steps,
            seeds=self.seeds,
            pairs=record.setup.data.n_test,
            noop=record.baseline.held_out_noop if record.baseline else None,
            runs=len(runs),
            checkpoint=checkpoint,
        )

    def keep_weights(self, runs: Sequence[FrozenTrial]) -> dict[str, str | None]:
        """Remove the weights of all runs except one of each finalist.

        Any finalist may win once the search is continued. A run of an earlier search may belong to
        another trial of the same setting, so runs are matched by their settings.

        Returns:
            The checkpoint of each finalist, by its name.
        """
        done = [trial for trial in runs if trial.state == TrialState.COMPLETE]
        kept: dict[str, FrozenTrial] = {}
        for one in self.finalists:
            own = [trial for trial in done if FinalistRun.of(trial).params == one.params]
            with_file = (each for each in own if self.paths.final_checkpoint(each.number).exists())
            if own:
                kept[one.name] = next(with_file, own[0])
        numbers = {trial.number for trial in kept.values()}
        for trial in self.study.get_trials(deepcopy=False):
            if trial.number not in numbers:
                self.paths.final_checkpoint(trial.number).unlink(missing_ok=True)
        return {name: TrialRecord.of(trial).checkpoint for name, trial in kept.items()}


def with_runs(one: Finalist, runs: Iterable[FrozenTrial]) -> Finalist:
    """A finalist with the results of its runs."""
    own = [trial for trial in runs if FinalistRun.of(trial).params == one.params]
    done = [FinalistRun.of(trial) for trial in own if trial.state == TrialState.COMPLETE]
    scores = {
        run.seed: [row.score for row in run.per_image if row.score is not None] for run in done
    }
    names = done[0].components if done else ()
    components = {name: fmean(run.components[name] for run in done) for name in names}
    return replace(one, scores=scores, components=components, diverged=len(done) < len(own))


def run_key(params: Any, seed: int) -> str:
    """The identity of a run: its setting and its seed."""
    return json.dumps([dict(params), seed], sort_keys=True)


def key_of(trial: FrozenTrial) -> str:
    run = FinalistRun.of(trial)
    return run_key(run.params, run.seed)
