"""The driver's loop: assign trials to workers, receive their messages, and prune.

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
MOST_ATTEMPTS = 3  # attempts for a trial whose worker dies

Ended = TrialResult | Stopped | Diverged | OutOfMemory | Failed

log = logging.getLogger(__name__)


class Driver:
    """Runs one phase after the other on a launcher's workers.

    A worker is starting, idle or running a job, and each state allows certain messages.
    """

    def __init__(
        self,
        plan: SearchPlan,
        phase: Phase,
        launcher: Launcher,
        view: View,
        baseline: Baseline | None = None,
        measures: bool = False,
    ) -> None:
        self.plan = plan
        self.phase = phase
        self.launcher = launcher
        self.view = view
        self.baseline = baseline
        self.starting = {n: worker_startup.Start(measures=measures) for n in range(plan.jobs)}
        self.idle: set[int] = set()
        self.jobs: dict[int, Job] = {}
        self.again: deque[Job] = deque()
        self.starts_lost: Counter[int] = Counter()
        self.places: dict[int, str] = {}
        self.forecast = Forecast(plan, phase.searched, view)
        self.packing = Packing(plan)
        self.remarks = {""}
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
            self.fill(stop)
            if self.finished():
                return True
            self.end_hung()
            began = time.monotonic()
            messages = self.launcher.wait(TICK)
            self.note_waiting(time.monotonic() - began)
            for number, message in messages:
                # Schedulers signal every process: what failed of it is put back in the queue.
                if not (isinstance(message, Failed | Died) and stop()):
                    self.hear(number, message)
        return False

    def note_waiting(self, seconds: float) -> None:
        """Count up to `TICK` of a wait as listening: a longer one means that the process slept."""
        listened = min(seconds, TICK)
        for job in self.jobs.values():
            job.listened += listened
            job.away += seconds - listened
        for start in self.starting.values():
            start.silent += listened
            start.stepping += listened

    def turn_to(self, phase: Phase) -> None:
        """Switch to another phase, on the same workers."""
        self.phase = phase
        self.recorder = Recorder(self.plan, phase, self.view, self.recorder.pace)

    def finished(self) -> bool:
        """Whether no trial is left or running."""
        return self.phase.exhausted() and not self.jobs and not self.again

    def give_up(self) -> None:
        """Terminate all workers and requeue their trials."""
        self.launcher.close()
        self.recorder.requeue_running()
        self.jobs.clear()
        self.again.clear()

    def fill(self, stop: Callable[[], bool]) -> None:
        """Assign trials to idle workers. Checks `stop` for each, since many take a while."""
        if self.baseline is None:
            return
        for worker in sorted(self.idle):
            if self.waits(worker):
                continue
            job = None if stop() else self.next_job()
            if job is None:
                return
            self.begin(worker, job)

    def waits(self, worker: int) -> bool:
        """Whether the worker's device is, or is about to be, reserved for one trial alone."""
        place = self.places.get
        beside = [job for other, job in self.jobs.items() if place(other) == place(worker)]
        return bool(beside) and any(job.alone for job in (*beside, *list(self.again)[:1]))

    def next_job(self) -> Job | None:
        """A trial to retry, else a new one; None if none is left."""
        if self.again:
            return self.again.popleft()
        if self.phase.exhausted():
            return None
        trial, task = self.phase.next()
        known = self.phase.study.get_trials(deepcopy=False)[trial.number].intermediate_values
        return Job(trial, task, TrialRecord.of(trial).recipe, set(known))

    def begin(self, worker: int, job: Job) -> None:
        self.idle.discard(worker)
        self.jobs[worker] = job
        job.begin_on(worker)
        flush(self.phase.study)
        self.launcher.send(worker, job.task)
        tags = {"recipe": job.recipe} if job.recipe else {}
        self.phase.tracker.begin(job.task, tags)
        self.view.show(TrialBegan(job.task.name, job.task.settings, job.recipe))

    def hear(self, worker: int, message: Message | Died) -> None:
        """Handle a worker's message.

        Raises:
            HarnessError: the message is invalid in the worker's state, or the search cannot go on.
        """
        if isinstance(message, Died):
            self.lost(worker, message.reason)
        elif worker in self.jobs:
            self.hear_trial(worker, self.jobs[worker], message)
        elif worker in self.starting:
            self.hear_start(worker, self.starting[worker], message)
        else:
            raise self.unexpected(worker, message)

    def hear_start(self, worker: int, start: worker_startup.Start, message: Message) -> None:
        """Handle a message of a worker that is starting or preparing."""
        start.silent = 0.0
        prepares = worker == 0 and self.baseline is None
        match message:
            case Ready():
                self.places[worker] = message.place
                start.ready = True
                if not prepares and not start.measures:  # its Prepare was sent with its start
                    self.takes_trials(worker)
            case Pace() if start.measures:
                start.measures = False
                if not prepares:
                    self.takes_trials(worker)
                self.forecast.note(message)
            case Preparing() if prepares:
                # Trials will share the machine with others.
                self.recorder.note_pace(start.pace(message.done) * self.plan.jobs)
                self.view.show(WarmStart(message.done, message.total))
            case Baseline() if prepares:
                self.prepared(worker, message)
            case Failed():
                log.error("worker %d:\n%s", worker, message.traceback)
                raise worker_startup.not_prepared(message, self.plan)
            case Diverged():
                raise worker_startup.no_warm_start(message.reason, self.plan)
            case OutOfMemory():
                self.without_room(worker, message.reason)
            case GpuFailed():
                self.replace(worker, message.reason)
            case DiskFull():
                raise full_disk()
            case Pace() | Preparing() | Baseline() | Rung() | TrialResult() | Stopped():
                raise self.unexpected(worker, message)
            case _:
                assert_never(message)

    def hear_trial(self, worker: int, job: Job, message: Message) -> None:
        """Handle a message of a worker that runs a trial."""
        match message:
            case Rung():
                self.rung(worker, job, message)
            case GpuFailed():
                self.replace(worker, message.reason)
            case DiskFull():  # not the trial's fault: the search ends, and the trial is requeued
                raise full_disk()
            case Failed(shared=True):  # the same
                log.error("trial %d:\n%s", job.task.number, message.traceback)
                raise UserInputError(message.reason)
            case TrialResult() | Stopped() | Diverged() | OutOfMemory() | Failed():
                del self.jobs[worker]
                self.idle.add(worker)
                self.ended(worker, job, message)
            case Ready() | Pace() | Preparing() | Baseline():
                raise self.unexpected(worker, message)
            case _:
                assert_never(message)

    def unexpected(self, worker: int, message: Message) -> HarnessError:
        """The error for a message that is invalid in the worker's state: a bug."""
        doing = self.jobs[worker].task.name if worker in self.jobs else "no trial"
        return worker_startup.out_of_turn(message, doing, worker, self.plan)

    def without_room(self, worker: int, reason: str) -> None:
        """Continue without a worker that has too little memory."""
        others = self.idle | self.jobs.keys() | self.starting.keys() - {worker}
        if not others or (worker == 0 and self.baseline is None):
            raise worker_startup.no_room(reason)
        log.error("worker %d: %s", worker, reason)
        del self.starting[worker]
        self.launcher.kill(worker)
        self.view.show(
            Note(f"Too little memory for another worker ({reason}): going on with {len(others)}.")
        )

    def takes_trials(self, worker: int) -> None:
        del self.starting[worker]
        del self.starts_lost[worker]
        self.idle.add(worker)

    def prepared(self, worker: int, baseline: Baseline) -> None:
        """Accept the result of the preparation, which all trials share.

        Raises:
            HarnessError: its scores are not finite, or differ from those of the study so far.
        """
        worker_startup.check_scores(baseline, self.plan)
        check_same_start(self.phase.searched, self.plan, baseline)
        self.baseline = baseline
        self.takes_trials(worker)
        StudyRecord.note(self.phase.searched, baseline=baseline)
        self.view.show(Prepared(**baseline.as_data()))

    def rung(self, worker: int, job: Job, rung: Rung) -> None:
        """Record a rung, reply whether the trial continues, and update MLflow and the console."""
        if job.verdict:  # it was stopped, but sent another rung
            self.launcher.send(worker, Answer.STOP)
            return
        if rung.remark not in self.remarks:
            self.remarks.add(rung.remark)
            self.view.show(Note(rung.remark))
        steps = self.phase.train.steps
        self.recorder.note_pace(job.seconds / rung.step)
        if not math.isfinite(rung.value):
            job.verdict = f"diverged: the score at step {rung.step} is {rung.value}"
            job.diverged = True
        else:
            job.rungs.append(rung)
            if rung.step not in job.known:
                self.phase.report(job.trial, rung.step, rung.value)
                job.known.add(rung.step)
            # Prune at the furthest rung only: an earlier attempt has passed those before it.
            if rung.step == max(job.known) and self.phase.hopeless(job.trial, rung):
                why = WHY_PRUNED[self.plan.config.pruner]
                job.verdict = f"stopped at step {rung.step}: {numbers.number(rung.value)} {why}"
        self.launcher.send(
            worker, Answer.STOP if job.verdict else answer(self.phase, job.trial, rung)
        )
        if math.isfinite(rung.value):
            self.phase.tracker.rung(job.task, rung)
            self.view.show(RungReached(job.task.name, rung.step, steps, rung.value))

    def ended(self, worker: int, job: Job, message: Ended) -> None:
        """Record the end of a trial, as its worker reported it."""
        match message:
            case TrialResult() if not job.verdict and self.is_finite(message.rung):
                self.pack(message)
                self.recorder.complete(job, message)
            case TrialResult():
                if message.checkpoint is not None:
                    message.checkpoint.unlink(missing_ok=True)
                diverged = job.diverged or not job.verdict
                why = job.verdict or "diverged: the score is not finite"
                self.recorder.pruned(job, why, diverged)
            case Stopped() if job.verdict:
                self.recorder.pruned(job, job.verdict, job.diverged)
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
        """Retry the trial once, alone and in a new process; if that fails too, it has failed."""
        if job.alone:
            words = f"out of memory, also when run alone: {reason}"
            self.recorder.failed(job, words, Cause.OUT_OF_MEMORY)
            return
        self.restart(worker)
        job.alone = True
        self.again.append(job)

    def lost(self, worker: int, reason: str) -> None:
        """Replace a worker that died, and retry its trial up to `MOST_ATTEMPTS` times."""
        job = self.jobs.pop(worker, None)
        was_starting = self.starting.pop(worker, None) is not None
        self.idle.discard(worker)
        log.error("worker %d: %s", worker, reason)
        if was_starting:
            self.starts_lost[worker] += 1
            worker_startup.check_starts(self.starts_lost[worker], reason, self.plan)
        self.start(worker)
        if job is not None:
            job.attempts += 1
            if job.attempts < MOST_ATTEMPTS:
                self.again.appendleft(job)
            else:
                self.recorder.failed(job, f"its worker died {job.attempts} times, last: {reason}")

    def replace(self, worker: int, reason: str) -> None:
        """Kill an unusable worker, and handle it like one that died."""
        self.launcher.kill(worker)
        self.lost(worker, reason)

    def start(self, worker: int) -> None:
        self.starting[worker] = worker_startup.Start()
        self.launcher.start(worker)
        if worker == 0 and self.baseline is None:
            self.launcher.send(worker, Prepare())

    def pack(self, result: TrialResult) -> None:
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
            limit = start.patience(self.plan)
            if start.silent > limit:
                self.replace(worker, f"hung: no message for {limit:.0f} s")
