"""A search from its options to its outcome. Read this file first."""

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from harness.config.settings import SearchConfig
from harness.console.events import CutShort, Note, Opened, Stopping
from harness.console.lines import leader_line, remaining_text
from harness.console.views import View
from harness.errors import HarnessError, disk_full
from harness.search.conclusion import (
    conclude,
    finish,
    logging_errors,
    outcome,
    requeueing_at_the_end,
)
from harness.search.result import SearchOutcome
from harness.search.stop_signals import StopSwitch
from harness.study.urls import scrubbed, sqlite_address, without_secrets
from harness.tracking.outbox import Ending
from harness.trials.launchers.local import LocalLauncher, import_for_workers
from harness.trials.worker import RunnerFactory, trial_runner
from reports.record.names import PhaseName, trial_name

if TYPE_CHECKING:
    from optuna import Study

    from harness.search.driver import Driver
    from harness.search.finalists import FinalPhase
    from harness.search.phases import SearchPhase
    from harness.search.plan import SearchPlan
    from harness.tracking.study_runs import Tracker
    from harness.trials.launchers.launcher import Launcher

WHY_STOPPING = {
    "user": "Stopping; Ctrl-C again ends at once. Running trials will start anew.",
    "timeout": "The time is up: stopping. Running trials will start anew.",
}


def search(
    config: SearchConfig, view: View, make_runner: RunnerFactory = trial_runner
) -> SearchOutcome:
    """Create or continue a study, until its budget, a time limit or Ctrl-C.

    Raises:
        UserInputError: an option is invalid; nothing has been written.
        SearchFailedError: too many trials failed in a row.
        HarnessError: another failure with a known cause; results so far are kept.
    """
    stop = StopSwitch(config.timeout)
    if config.launcher == "local" and make_runner is trial_runner:
        import_for_workers()  # the slowest part of the startup, so it begins first
    from harness.search.plan import plan_search

    plan = plan_search(config, lambda sentence: view.show(Note(sentence)))
    return run_search(plan, view, stop, make_runner)


def run_search(
    plan: "SearchPlan", view: View, stop: StopSwitch, make_runner: RunnerFactory
) -> SearchOutcome:
    """Run a planned search: open the record, lock the study, and drive it."""
    import harness.study.study as record
    from harness.search.open_database import open_record
    from harness.search.resume import check_budget, requeue_failed
    from harness.search.time_left import note_undertaken
    from harness.study.folder import check_folder, claim, set_aside
    from harness.study.locks import only_driver, only_driver_anywhere, record_driver
    from harness.study.storage import SingleWriterStorage
    from reports.record.study import StudyRecord

    paths, name = plan.paths, plan.config.study
    with (
        stop.on_signals(),
        naming_full_disk(paths.folder),
        open_record(plan) as database,
        only_driver_anywhere(database, name),  # first, so that a rejected driver creates no files
        only_driver(paths, name),
        logging_to(paths.driver_log),
    ):
        storage = SingleWriterStorage(database)
        study, moved = record.find_study(storage, name), None
        if study is None:
            moved = set_aside(paths)
            study = record.create_study(storage, name, plan.setup, plan.recipes)
        record.validated(study)
        check_folder(paths, study)
        record.check_same(study, plan.setup)
        check_budget(plan, study)
        claim(paths, study)
        StudyRecord.migrate(study)
        record.update_paths(study, plan.setup)
        record_driver(study)
        record.enqueue_earlier(study, plan.earlier)
        note_undertaken(study, plan)
        mirror = plan.config.tracking_uri
        StudyRecord.note(
            study,
            budget=plan.config.budget,
            tracking_uri=without_secrets(mirror) if mirror else None,
        )
        for trial in record.running(study):
            record.requeue(study, trial)
        requeue_failed(study)
        announce(plan, study, view)
        if moved is not None:
            view.show(Note(f"Files of an earlier study of this name were moved to {moved}."))
        return drive(plan, study, view, stop, make_runner)


def drive(
    plan: "SearchPlan", study: "Study", view: View, stop: StopSwitch, make_runner: RunnerFactory
) -> SearchOutcome:
    """Start the workers, run the trials, and clean up in any case."""
    from harness.search.driver import Driver
    from harness.search.live_report import live_report
    from harness.search.phases import SearchPhase
    from harness.search.resume import known_baseline, set_damaged_aside
    from harness.search.worker_startup import start_workers

    if remade := set_damaged_aside(plan):
        view.show(Note(remade))
    with ExitStack() as stack:
        launcher = stack.enter_context(closing(make_launcher(plan, make_runner)))
        baseline = known_baseline(plan, study)
        new = baseline is None
        measure = new and plan.trial_plan.external is None
        # Starting workers may have to wait for their imports: import MLflow in the meantime.
        with ThreadPoolExecutor(1) as pool:
            started = pool.submit(start_workers, launcher, plan.jobs, not new, measure)
            tracker = open_tracker(plan, study, view)
            stack.callback(finish, tracker, plan, view)
        started.result()
        phase = SearchPhase(plan, study, tracker, plan.search_budget, stop.deadline)
        driver = Driver(plan, phase, launcher, view, baseline, measure)
        with requeueing_at_the_end(driver, plan, study, view), live_report(plan, view):
            finished = run_phases(driver, phase, plan, view, stop)
            if not finished:
                view.show(Stopping(WHY_STOPPING[stop.reason]))
        result = outcome(plan, study, stop.reason)
        with logging_errors("writing the outcome to MLflow", plan, view):
            ending = Ending("KILLED", "stopped", f"stopped by {stop.reason}")
            if finished:
                ending = Ending("FINISHED", "finished")
            conclude(plan, study, view, tracker, result, ending)
    return result


def run_phases(
    driver: "Driver", phase: "SearchPhase", plan: "SearchPlan", view: View, stop: StopSwitch
) -> bool:
    """Run the search, then the finalists if there are any.

    Returns:
        False if stopped; True also if a time limit left out trials, but not the finalists.
    """
    from harness.search.time_left import note_end_of_trials

    if not driver.run(stop):
        return False
    cut_short = phase.done < phase.budget
    if cut_short:
        note_end_of_trials(phase.study, phase.done)
        view.show(CutShort(phase.done, phase.budget, plan.final_runs))
    if plan.finalists or plan.compared:
        finals = open_finals(plan, phase.study, view, phase.tracker, phase.done)
        driver.switch_to(finals)
        if not driver.run(stop):
            return False
        finals.conclude()
    if cut_short:
        stop.reason = stop.reason or "timeout"
    phase.retention.write_best()  # the end of the search changes the decision in best.yaml
    return True


def make_launcher(plan: "SearchPlan", make_runner: RunnerFactory) -> "Launcher":
    """The launcher for the plan's workers."""
    if plan.config.launcher == "ray":
        from harness.trials.launchers.ray import RayLauncher

        on_gpu = plan.trial_plan.device != "cpu"
        gpus = 1 / (plan.config.per_gpu or 1) if on_gpu else 0
        return RayLauncher(make_runner, plan.trial_plan, gpus)
    return LocalLauncher(make_runner, plan.trial_plan, plan.paths.driver_log, plan.devices)


def announce(plan: "SearchPlan", study: "Study", view: View) -> None:
    """Show the plan, and the state of a resumed study, before the search starts."""
    from harness.search.estimate import where
    from harness.search.finalists import counted_runs
    from harness.search.time_left import time_left_of_plan
    from harness.study.study import counted
    from reports.record.queries import best_trial, completed, score_of, settings_of
    from reports.texts.numbers import quantity

    setup, data = plan.setup, plan.setup.data
    leader = ""
    if best := best_trial(study):
        leader = leader_line(score_of(best), trial_name(best.number), settings_of(best))
    view.show(
        Opened(
            study=plan.config.study,
            budget=plan.config.budget,
            done=counted(study) + counted_runs(study, plan.search_budget, plan.final_runs),
            profile=setup.profile,
            device=setup.device,
            jobs=plan.jobs,
            weights=setup.weights,
            data=f"{quantity(data.n_train, 'pair')} to train on, {data.n_val} to score: "
            f"{data.source}",
            folder=str(plan.paths.folder),
            best=leader,
            scores=tuple(score_of(trial) for trial in completed(study)),
            final_runs=plan.final_runs,
        )
    )
    for sentence in plan.remarks:
        view.show(Note(sentence))
    if left := time_left_of_plan(study, plan):
        view.show(Note(remaining_text(left, where(plan))))


def open_finals(
    plan: "SearchPlan", study: "Study", view: View, tracker: "Tracker", searched: int
) -> "FinalPhase":
    """The final phase: the finalists' runs, or those of the two configurations to compare.

    Args:
        searched: trials of the budget that the search itself took.
    """
    from harness.search.finalists import FinalPhase, pick_finalists
    from harness.study.study import final_study

    both = plan.of_both_kinds
    finalists = plan.compared or pick_finalists(
        study, plan.finalists, plan.trial_plan.train.netG if both else None
    )
    record = final_study(study)
    tracker.reconcile(endings_of(record, "final"))
    phase = FinalPhase(plan, study, record, finalists, tracker, searched)
    if not (plan.compared or phase.exhausted()):
        names = ", ".join(
            f"{one.name} ({one.recipe})" if one.recipe else one.name for one in finalists[:-1]
        )
        view.show(
            Note(
                f"The finalists ({names} and the guide's recommended setting) are trained again: "
                f"longer, on {plan.config.repeats} fresh seeds, and scored on pairs held out from "
                "the search. Their runs are f00, f01, ..."
            )
        )
    return phase


def open_tracker(plan: "SearchPlan", study: "Study", view: View) -> "Tracker":
    """The study's MLflow tracker; also ends runs that an earlier driver left open."""
    from harness.study.locks import one_at_a_time
    from harness.study.study import identity_of
    from harness.tracking.study_runs import StudyStore, Tracker, tags_of

    uri = plan.config.tracking_uri
    store = StudyStore(
        uri=uri or sqlite_address(plan.run_paths.mlflow_db),
        experiment_name=plan.config.study,
        artifacts=None if uri else plan.run_paths.mlflow_artifacts,
        opening=lambda: one_at_a_time(plan.run_paths),
        identity=identity_of(study),
        recorded=recorded_runs(study),
        tags=tags_of(plan.setup),
        space=plan.setup.space,
        direction=plan.setup.direction,
    )
    tracker = Tracker(store, plan.paths.outbox, lambda text: view.show(Note(text)))
    tracker.reconcile(endings_of(study))
    return tracker


def recorded_runs(study: "Study") -> frozenset[str]:
    """MLflow's ids of the runs in a study's record."""
    from harness.search.finalists import final_trials
    from reports.record.study import StudyRecord
    from reports.record.trial import TrialRecord

    trials = [*study.get_trials(deepcopy=False), *final_trials(study)]
    runs = [StudyRecord.of(study).mlflow_run, *(TrialRecord.of(t).mlflow_run for t in trials)]
    return frozenset(run for run in runs if run)


def endings_of(study: "Study", phase: PhaseName = "search") -> dict[str, Ending]:
    """How the trials' runs in MLflow should have ended, by trial name.

    No trial is running; one that has not ended is requeued.
    """
    from optuna.trial import TrialState

    from harness.search.recorder import REQUEUED
    from reports.record.trial import TrialRecord

    def ending(state: TrialState, reason: str) -> Ending:
        return {
            TrialState.COMPLETE: Ending("FINISHED", "complete"),
            TrialState.PRUNED: Ending("KILLED", "pruned", reason),
            TrialState.FAIL: Ending("FAILED", "failed", reason),
        }.get(state, REQUEUED)

    return {
        trial_name(trial.number, phase): ending(trial.state, TrialRecord.of(trial).reason)
        for trial in study.get_trials(deepcopy=False)
    }


class WithoutSecrets(logging.Formatter):
    """Redacts secrets in URLs, also in tracebacks."""

    def format(self, record: logging.LogRecord) -> str:
        return scrubbed(super().format(record))


@contextmanager
def logging_to(file: Path) -> Iterator[None]:
    """Send the harness's log to `file` only, while the block runs."""
    handler = logging.FileHandler(file, encoding="utf-8", errors="backslashreplace")
    handler.setFormatter(WithoutSecrets("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger("harness")
    level, propagate = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.setLevel(level)
        logger.propagate = propagate
        logger.removeHandler(handler)
        handler.close()


@contextmanager
def naming_full_disk(folder: Path) -> Iterator[None]:
    """Turn an error caused by a full disk into a HarnessError; earlier files are complete."""
    try:
        yield
    except Exception as error:
        if disk_full(error):
            raise HarnessError(
                f"The disk that holds {folder} is full: free some space there and run the same "
                "command again, the study goes on."
            ) from error
        raise
