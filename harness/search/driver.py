"""The driver's loop: assign trials to workers, handle their messages, and prune.

`harness.search.recorder` records the end of trials.
"""

import logging
import math
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import assert_never

from harness.console.events import Note, Prepared, RungReached, TrialBegan, WarmStart
from harness.console.views import View
from harness.errors import HarnessError, UserInputError, full_disk
from harness.search import worker_startup
from harness.search.estimate import Forecast
from harness.search.packing import Packing
from harness.search.phases import Phase, answer
from harness.search.plan import SearchPlan
from harness.search.recorder import Job, Recorder
from harness.search.resume import check_same_start
from harness.study.pruners import WHY_PRUNED
from harness.study.study import flush
from harness.trials.launchers.launcher import Died, Launcher
from harness.trials.messages import Answer, Pace, Rung, TrialResult
from harness.trials.worker import (
    DiskFull,
    Diverged,
    Failed,
    GpuFailed,
    Message,
    OutOfMemory,
    Prepare,
    Preparing,
    Ready,
    Stopped,
)
from reports.record.baseline import Baseline
from reports.record.study import StudyRecord
from reports.record.trial import Cause, TrialRecord
from reports.texts import numbers

TICK = 0.25  # seconds: how often to check for Ctrl-C, a deadline and hung trials
MAX_ATTEMPTS = 3  # attempts for a trial whose worker dies

Ended = TrialResult | Stopped | Diverged | OutOfMemory | Failed

log = logging.getLogger(__name__)


class Driver:
    """Runs one phase after the other on a launcher's workers.

    A worker is starting, idle or running a job, and each state allows certain messages.

    Args:
        baseline: None: the first worker has to prepare it.
        measure_pace: whether each worker measures its pace before it takes trials.

    Attributes:
        starting, idle, jobs: the workers, each in the collection of its state.
        to_retry: trials that run again before any new one.
        failed_starts: times in a row that a worker ended before it was ready.
        places: the device of each worker that has started.
    """

    def __init__(
        self,
        plan: SearchPlan,
        phase: Phase,
        launcher: Launcher,
        view: View,
        baseline: Baseline | None = None,
        measure_pace: bool = False,
    ) -> None:
        self.plan = plan
        self.phase = phase
        self.launcher = launcher
        self.view = view
        self.baseline = baseline
        self.starting = {
            n: worker_startup.Start(awaits_pace=measure_pace) for n in range(plan.jobs)
        }
        self.idle: set[int] = set()
        self.jobs: dict[int, Job] = {}
        self.to_retry: deque[Job] = deque()
        self.failed_starts: Counter[int] = Counter()
        self.places: dict[int, str] = {}
        self.forecast = Forecast(plan, phase.searched, view)
        self.packing = Packing(plan)
        self.shown_remarks = {""}
        self.recorder = Recorder(plan, phase, view)
        if baseline is not None:
            view.show(Prepared(**baseline.as_data()))

    def run(self, stop: Callable[[], bool]) -> bool:
        """Run the phase's trials until all are done (True) or `stop()` is true (False).

        Raises:
            SearchFailedError: too many trials failed in a row.
            HarnessError: no worker can be started, or the preparation fails.
        """
        while not stop():
            self.assign_trials(stop)
            if self.finished():
                return True
            self.end_hung()
            began = time.monotonic()
            messages = self.launcher.wait(TICK)
            self.note_waiting(time.monotonic() - began)
            for number, message in messages:
                # Schedulers signal every process: a trial that the signal ended has not failed,
                # and is requeued.
                if not (isinstance(message, Failed | Died) and stop()):
                    self.handle(number, message)
        return False

    def note_waiting(self, seconds: float) -> None:
        """Count up to `TICK` of a wait as listening; if it took longer, the process was suspended.

        Args:
            seconds: duration of the wait.
        """
        listened = min(seconds, TICK)
        for job in self.jobs.values():
            job.listened += listened
            job.suspended += seconds - listened
        for start in self.starting.values():
            start.silent += listened
            start.stepping += listened

    def switch_to(self, phase: Phase) -> None:
        """Switch to another phase, on the same workers."""
        self.phase = phase
        self.recorder = Recorder(self.plan, phase, self.view, self.recorder.pace)

    def finished(self) -> bool:
        """Whether no trial is left or running."""
        return self.phase.exhausted() and not self.jobs and not self.to_retry

    def shut_down(self) -> None:
        """Terminate all workers and requeue their trials."""
        self.launcher.close()
        self.recorder.requeue_running()
        self.jobs.clear()
        self.to_retry.clear()

    def assign_trials(self, stop: Callable[[], bool]) -> None:
        """Assign trials to idle workers, and check `stop` before each: many take a while."""
        if self.baseline is None:
            return
        for worker in sorted(self.idle):
            if self.must_wait(worker):
                continue
            job = None if stop() else self.next_job()
            if job is None:
                return
            self.begin(worker, job)

    def must_wait(self, worker: int) -> bool:
        """Whether the worker's device is, or is about to be, reserved for one trial alone."""
        place = self.places.get
        neighbours = [job for other, job in self.jobs.items() if place(other) == place(worker)]
        return bool(neighbours) and any(
            job.alone for job in (*neighbours, *list(self.to_retry)[:1])
        )

    def next_job(self) -> Job | None:
        """A trial to retry, else a new one; None if none is left."""
        if self.to_retry:
            return self.to_retry.popleft()
        if self.phase.exhausted():
            return None
        trial, task = self.phase.next()
        scores = self.phase.study.get_trials(deepcopy=False)[trial.number].intermediate_values
        return Job(trial, task, TrialRecord.of(trial).recipe, set(scores))

    def begin(self, worker: int, job: Job) -> None:
        self.idle.discard(worker)
        self.jobs[worker] = job
        job.begin_on(worker)
        flush(self.phase.study)
        self.launcher.send(worker, job.task)
        tags = {"recipe": job.recipe} if job.recipe else {}
        self.phase.tracker.begin(job.task, tags)
        self.view.show(TrialBegan(job.task.name, job.task.settings, job.recipe))

    def handle(self, worker: int, message: Message | Died) -> None:
        """Handle a worker's message.

        Raises:
            HarnessError: the message is invalid in the worker's state, or the search cannot go on.
        """
        if isinstance(message, Died):
            self.handle_death(worker, message.reason)
        elif worker in self.jobs:
            self.handle_running(worker, self.jobs[worker], message)
        elif worker in self.starting:
            self.handle_startup(worker, self.starting[worker], message)
        else:
            raise self.unexpected(worker, message)

    def handle_startup(self, worker: int, start: worker_startup.Start, message: Message) -> None:
        """Handle a message from a worker that is starting or preparing."""
        start.silent = 0.0
        prepares = worker == 0 and self.baseline is None
        match message:
            case Ready():
                self.places[worker] = message.place
                start.ready = True
                if not prepares and not start.awaits_pace:  # its Prepare was sent with its start
                    self.mark_idle(worker)
            case Pace() if start.awaits_pace:
                start.awaits_pace = False
                if not prepares:
                    self.mark_idle(worker)
                self.forecast.note(message)
            case Preparing() if prepares:
                # Trials will share the machine with others.
                self.recorder.note_pace(start.pace(message.done) * self.plan.jobs)
                self.view.show(WarmStart(message.done, message.total))
            case Baseline() if prepares:
                self.accept_baseline(worker, message)
            case Failed():
                log.error("worker %d:\n%s", worker, message.traceback)
                raise worker_startup.preparation_failed(message, self.plan)
            case Diverged():
                raise worker_startup.warm_start_diverged(message.reason, self.plan)
            case OutOfMemory():
                self.drop_worker(worker, message.reason)
            case GpuFailed():
                self.replace(worker, message.reason)
            case DiskFull():
                raise full_disk()
            case Pace() | Preparing() | Baseline() | Rung() | TrialResult() | Stopped():
                raise self.unexpected(worker, message)
            case _:
                assert_never(message)

    def handle_running(self, worker: int, job: Job, message: Message) -> None:
        """Handle a message from a worker that is running a trial."""
        match message:
            case Rung():
                self.handle_rung(worker, job, message)
            case GpuFailed():
                self.replace(worker, message.reason)
            case DiskFull():  # not the trial's fault: the search ends, and the trial is requeued
                raise full_disk()
            case Failed(shared=True):  # not the trial's fault either
                log.error("trial %d:\n%s", job.task.number, message.traceback)
                raise UserInputError(message.reason)
            case TrialResult() | Stopped() | Diverged() | OutOfMemory() | Failed():
                del self.jobs[worker]
                self.idle.add(worker)
                self.record_end(worker, job, message)
            case Ready() | Pace() | Preparing() | Baseline():
                raise self.unexpected(worker, message)
            case _:
                assert_never(message)

    def unexpected(self, worker: int, message: Message) -> HarnessError:
        """The error for a message that is invalid in the worker's state: a bug."""
        doing = self.jobs[worker].task.name if worker in self.jobs else "no trial"
        return worker_startup.unexpected_message(message, doing, worker, self.plan)

    def drop_worker(self, worker: int, reason: str) -> None:
        """Go on without a worker that has too little memory.

        Raises:
            HarnessError: no worker is left, or this one has to prepare the baseline.
        """
        others = self.idle | self.jobs.keys() | self.starting.keys() - {worker}
        if not others or (worker == 0 and self.baseline is None):
            raise worker_startup.out_of_memory(reason)
        log.error("worker %d: %s", worker, reason)
        del self.starting[worker]
        self.launcher.kill(worker)
        self.view.show(
            Note(f"Too little memory for another worker ({reason}): going on with {len(others)}.")
        )

    def mark_idle(self, worker: int) -> None:
        del self.starting[worker]
        del self.failed_starts[worker]
        self.idle.add(worker)

    def accept_baseline(self, worker: int, baseline: Baseline) -> None:
        """Check and record the result of the preparation, which all trials share.

        Raises:
            HarnessError: its scores are not finite, or differ from those of the study so far.
        """
        worker_startup.check_scores(baseline, self.plan)
        check_same_start(self.phase.searched, self.plan, baseline)
        self.baseline = baseline
        self.mark_idle(worker)
        StudyRecord.note(self.phase.searched, baseline=baseline)
        self.view.show(Prepared(**baseline.as_data()))

    def handle_rung(self, worker: int, job: Job, rung: Rung) -> None:
        """Record a rung, reply whether the trial continues, and update MLflow and the console."""
        if job.stop_reason:  # a worker that was told to stop sent another rung
            self.launcher.send(worker, Answer.STOP)
            return
        if rung.remark not in self.shown_remarks:
            self.shown_remarks.add(rung.remark)
            self.view.show(Note(rung.remark))
        steps = self.phase.train.steps
        self.recorder.note_pace(job.seconds / rung.step)
        if not math.isfinite(rung.value):
            job.stop_reason = f"diverged: the score at step {rung.step} is {rung.value}"
            job.diverged = True
        else:
            job.rungs.append(rung)
            if rung.step not in job.recorded_steps:
                self.phase.report(job.trial, rung.step, rung.value)
                job.recorded_steps.add(rung.step)
            # Prune only at the furthest rung: an earlier attempt passed those before it.
            if rung.step == max(job.recorded_steps) and self.phase.hopeless(job.trial, rung):
                why = WHY_PRUNED[self.plan.config.pruner]
                job.stop_reason = f"stopped at step {rung.step}: {numbers.number(rung.value)} {why}"
        self.launcher.send(
            worker, Answer.STOP if job.stop_reason else answer(self.phase, job.trial, rung)
        )
        if math.isfinite(rung.value):
            self.phase.tracker.rung(job.task, rung)
            self.view.show(RungReached(job.task.name, rung.step, steps, rung.value))

    def record_end(self, worker: int, job: Job, message: Ended) -> None:
        """Record how a trial ended, according to its worker's last message."""
        match message:
            case TrialResult() if not job.stop_reason and self.is_finite(message.rung):
                self.add_workers(message)
                self.recorder.complete(job, message)
            case TrialResult():
                if message.checkpoint is not None:
                    message.checkpoint.unlink(missing_ok=True)
                diverged = job.diverged or not job.stop_reason
                reason = job.stop_reason or "diverged: the score is not finite"
                self.recorder.pruned(job, reason, diverged)
            case Stopped() if job.stop_reason:
                self.recorder.pruned(job, job.stop_reason, job.diverged)
            case Stopped():
                self.recorder.failed(job, "it stopped early without being asked to")
            case Diverged():
                self.recorder.pruned(job, f"diverged: {message.reason}", diverged=True)
            case OutOfMemory():
                self.out_of_memory(worker, job, message.reason)
            case Failed():
                log.error("trial %d:\n%s", job.task.number, message.traceback)
                self.recorder.failed(job, message.reason)
            case _:
                assert_never(message)

    def is_finite(self, rung: Rung) -> bool:
        """Whether the score and objective values of this rung are finite."""
        return all(map(math.isfinite, [rung.value, *self.phase.values(rung)]))

    def out_of_memory(self, worker: int, job: Job, reason: str) -> None:
        """Retry the trial once, alone and in a new process; fail it if that runs out too."""
        if job.alone:
            final_reason = f"out of memory, also when run alone: {reason}"
            self.recorder.failed(job, final_reason, Cause.OUT_OF_MEMORY)
            return
        self.restart(worker)
        job.alone = True
        self.to_retry.append(job)

    def handle_death(self, worker: int, reason: str) -> None:
        """Replace a worker that died; its trial gets at most `MAX_ATTEMPTS` attempts.

        Raises:
            HarnessError: the worker repeatedly ended before it was ready.
        """
        job = self.jobs.pop(worker, None)
        was_starting = self.starting.pop(worker, None) is not None
        self.idle.discard(worker)
        log.error("worker %d: %s", worker, reason)
        if was_starting:
            self.failed_starts[worker] += 1
            worker_startup.check_starts(self.failed_starts[worker], reason, self.plan)
        self.start(worker)
        if job is not None:
            job.attempts += 1
            if job.attempts < MAX_ATTEMPTS:
                self.to_retry.appendleft(job)
            else:
                self.recorder.failed(job, f"its worker died {job.attempts} times, last: {reason}")

    def replace(self, worker: int, reason: str) -> None:
        """Kill an unusable worker, and treat it like one that died."""
        self.launcher.kill(worker)
        self.handle_death(worker, reason)

    def start(self, worker: int) -> None:
        self.starting[worker] = worker_startup.Start()
        self.launcher.start(worker)
        if worker == 0 and self.baseline is None:
            self.launcher.send(worker, Prepare())

    def add_workers(self, result: TrialResult) -> None:
        """Start more workers once it is known how many trials fit on the GPUs."""
        if (workers := self.packing.workers(result.memory)) is not None:
            for worker in range(self.plan.jobs, workers):
                self.start(worker)
            self.view.show(Note(self.packing.remark(workers)))

    def restart(self, worker: int) -> None:
        """Kill a worker and start a new one in its place."""
        self.idle.discard(worker)
        self.launcher.kill(worker)
        self.start(worker)

    def end_hung(self) -> None:
        """Fail trials beyond the time limit; replace workers that are silent for too long."""
        limit = self.recorder.time_limit()
        for worker, job in list(self.jobs.items()):
            if job.listened > limit:
                del self.jobs[worker]
                self.restart(worker)
                self.recorder.failed(job, f"hung: no end after {limit:.0f} s")
        for worker, start in list(self.starting.items()):
            limit = start.silence_limit(self.plan)
            if start.silent > limit:
                self.replace(worker, f"hung: no message for {limit:.0f} s")
