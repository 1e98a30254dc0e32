"""The driver's loop: hands trials to workers, hears their rungs, and decides.

How a trial ends is `harness.recorder`'s to write down.
"""

import errno
import logging
import math
import os
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import asdict

from optuna import Study

from harness.devices import trials_that_fit
from harness.errors import HarnessError, UserInputError
from harness.launch.launcher import Died, Launcher
from harness.plan import SearchPlan
from harness.recorder import Job, Recorder
from harness.sampling import WHY_PRUNED
from harness.stage import Stage
from harness.study import write_down
from harness.trial_messages import Baseline, Memory, Rung, TrialResult
from harness.view import Note, Prepared, RungReached, TrialBegan, View, WarmStart
from harness.worker import (
    DiskFull,
    Diverged,
    Failed,
    Message,
    OutOfMemory,
    Prepare,
    Preparing,
    Ready,
    Stopped,
)

TICK = 0.25  # seconds: how soon Ctrl-C, a deadline or a hung trial is noticed
MOST_ATTEMPTS = 3  # a trial whose worker was killed is run again twice
MEASURED = 2  # trials whose memory says how many fit a GPU
MOST_STARTS = 3  # of one worker that ends before it is ready, in a row

log = logging.getLogger(__name__)


def start_workers(launcher: Launcher, jobs: int, prepared: bool = False) -> None:
    """Start them all; the first makes the warm start where there is none, and needs no further
    word for it.
    """
    for number in range(jobs):
        launcher.start(number)
    if not prepared:
        launcher.send(0, Prepare())


def known_baseline(plan: SearchPlan, study: Study) -> Baseline | None:
    """What an earlier driver's preparation found, where all that it made is still there."""
    found = study.user_attrs.get("baseline")
    made = plan.trial_plan.warm_start == "none" or plan.paths.warm_start.folder.exists()
    return Baseline(**found) if found and made else None


class Driver:
    """Runs one stage after the other on a launcher's workers."""

    def __init__(
        self,
        plan: SearchPlan,
        stage: Stage,
        launcher: Launcher,
        view: View,
        baseline: Baseline | None = None,
    ) -> None:
        self.plan = plan
        self.stage = stage
        self.launcher = launcher
        self.view = view
        self.baseline = baseline
        self.idle: set[int] = set()
        self.jobs: dict[int, Job] = {}
        self.again: deque[Job] = deque()
        self.starts_lost: Counter[int] = Counter()
        self.measured: list[Memory] = []
        self.recorder = Recorder(plan, stage, view)
        if baseline is not None:
            self.show_baseline(baseline)

    def run(self, stop: Callable[[], bool]) -> bool:
        """Run the stage's trials until there are no more (True) or `stop` says so (False).

        Raises:
            SearchFailedError: too many trials failed in a row.
            HarnessError: no worker can be started or prepared.
        """
        heard = time.monotonic()
        while not stop():
            self.fill(stop)
            if self.finished():
                return True
            self.excuse(time.monotonic() - heard)
            self.end_hung()
            messages = self.launcher.wait(TICK)
            heard = time.monotonic()
            for number, message in messages:
                self.hear(number, message)
        return False

    def excuse(self, seconds: float) -> None:
        """While the driver was busy, or waited for a database, trials may have waited for it."""
        for job in self.jobs.values():
            job.excused += seconds

    def turn_to(self, stage: Stage) -> None:
        """Go on with another stage's trials, on the same workers."""
        self.stage = stage
        self.recorder = Recorder(self.plan, stage, self.view)

    def finished(self) -> bool:
        """There is nothing more to run and nothing runs."""
        return self.stage.exhausted() and not self.jobs and not self.again

    def give_up(self) -> None:
        """End every worker; what they ran goes back to the queue."""
        self.launcher.close()
        for job in [*self.jobs.values(), *self.again]:
            self.recorder.requeue(job)
        self.jobs.clear()
        self.again.clear()

    # -- handing out ------------------------------------------------------------------------

    def fill(self, stop: Callable[[], bool]) -> None:
        """Give every idle worker a trial, while there are any; for many that takes a while."""
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
        """Whether a trial has its device to itself, or waits for that."""
        device = self.plan.device_of(worker)
        beside = [job for w, job in self.jobs.items() if self.plan.device_of(w) == device]
        wants_it_alone = bool(self.again) and self.again[0].alone
        return any(job.alone for job in beside) or (wants_it_alone and bool(beside))

    def next_job(self) -> Job | None:
        """A trial to run again, else a new one, while there are any."""
        if self.again:
            return self.again.popleft()
        if self.stage.exhausted():
            return None
        trial, task = self.stage.next()
        known = self.stage.study.get_trials(deepcopy=False)[trial.number].intermediate_values
        return Job(trial, task, trial.user_attrs.get("recipe"), set(known))

    def begin(self, worker: int, job: Job) -> None:
        self.idle.discard(worker)
        self.jobs[worker] = job
        job.begin_on(worker)
        write_down(self.stage.study)
        self.launcher.send(worker, job.task)
        tags = {"recipe": job.recipe} if job.recipe else {}
        self.stage.tracker.begin(job.task, tags)
        self.view.show(TrialBegan(job.task.name, job.task.settings, job.recipe))

    # -- hearing ----------------------------------------------------------------------------

    def hear(self, worker: int, message: Message | Died) -> None:
        """What a worker says, and what follows from it."""
        job = self.jobs.get(worker)
        match message:
            case Died():
                self.lost(worker, message.reason)
            case Ready() if worker != 0 or self.baseline is not None:
                del self.starts_lost[worker]
                self.idle.add(worker)
            case Ready():  # the first: its preparation was ordered with its start
                pass
            case Preparing():
                self.view.show(WarmStart(message.done, message.total))
            case Baseline():
                self.prepared(worker, message)
            case Failed() if job is None:
                log.error("worker %d:\n%s", worker, message.traceback)
                raise (UserInputError if message.user_error else HarnessError)(message.reason)
            case DiskFull():  # no trial's fault: the search ends, and this one runs again
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            case Rung() if job is not None:
                self.rung(worker, job, message)
            case _ if job is not None:
                del self.jobs[worker]
                self.idle.add(worker)
                self.ended(worker, job, message)

    def prepared(self, worker: int, baseline: Baseline) -> None:
        self.baseline = baseline
        del self.starts_lost[worker]
        self.idle.add(worker)
        self.stage.searched.set_user_attr("baseline", asdict(baseline))
        self.show_baseline(baseline)

    def show_baseline(self, baseline: Baseline) -> None:
        self.view.show(Prepared(baseline.noop, baseline.warm_start, baseline.oracle))

    def rung(self, worker: int, job: Job, rung: Rung) -> None:
        """Record a rung and answer whether the trial goes on; then mirror it."""
        steps = self.stage.train.steps
        if not math.isfinite(rung.value):
            job.verdict = f"diverged: the score at step {rung.step} is {rung.value}"
        else:
            job.rungs.append(rung)
            if rung.step not in job.known:
                self.stage.report(job.trial, rung.step, rung.value)
                job.known.add(rung.step)
            # A pruner looks at the furthest rung: those before it have been passed already.
            if rung.step == max(job.known) and self.stage.hopeless(job.trial, rung):
                why = WHY_PRUNED[self.plan.config.pruner]
                job.verdict = f"pruned at step {rung.step}: {rung.value:.4f} {why}"
        self.launcher.send(worker, not job.verdict)
        if math.isfinite(rung.value):
            self.stage.tracker.rung(job.task.name, rung)
            self.view.show(RungReached(job.task.name, rung.step, steps, rung.value))

    def ended(self, worker: int, job: Job, message: Message) -> None:
        """A trial's own end, in whichever way."""
        match message:
            case TrialResult() if math.isfinite(message.rung.value):
                if message.memory is not None:
                    self.pack(message.memory)
                self.recorder.complete(job, message)
            case TrialResult() | Stopped():
                self.recorder.pruned(job, job.verdict or "diverged: the score is not finite")
            case Diverged():
                self.recorder.pruned(job, f"diverged: {message.reason}")
            case OutOfMemory():
                self.out_of_memory(worker, job, message.reason)
            case Failed():
                log.error("trial %d:\n%s", job.task.number, message.traceback)
                self.recorder.failed(job, message.reason)

    def out_of_memory(self, worker: int, job: Job, reason: str) -> None:
        """Once more, alone and in a fresh process; then it is the trial's own fault."""
        if job.alone:
            self.recorder.failed(job, f"out of memory, also when run alone: {reason}")
            return
        self.restart(worker)
        job.alone = True
        self.again.append(job)

    def lost(self, worker: int, reason: str) -> None:
        """A worker ended by itself: its trial runs again, at most twice, in a new one."""
        job = self.jobs.pop(worker, None)
        was_starting = job is None and worker not in self.idle
        self.idle.discard(worker)
        log.error("worker %d: %s", worker, reason)
        if was_starting:
            self.starts_lost[worker] += 1
            if self.starts_lost[worker] >= MOST_STARTS:
                raise HarnessError(
                    f"A worker ended {MOST_STARTS} times before it was ready ({reason}): see "
                    f"{self.plan.paths.driver_log}."
                )
        self.start(worker)
        if job is not None:
            job.attempts += 1
            if job.attempts < MOST_ATTEMPTS:
                self.again.appendleft(job)
            else:
                self.recorder.failed(job, f"its worker died {job.attempts} times, last: {reason}")

    def start(self, worker: int) -> None:
        self.launcher.start(worker)
        if worker == 0 and self.baseline is None:
            self.launcher.send(worker, Prepare())

    def pack(self, memory: Memory) -> None:
        """Start as many workers as the GPUs have room for, once that is known.

        The second of the guide's recipes is the first that needs the perceptual networks.
        """
        self.measured.append(memory)
        if len(self.measured) != MEASURED or self.plan.most_jobs <= self.plan.jobs:
            return
        fit = trials_that_fit(self.measured)
        wanted = min(self.plan.most_jobs, fit * len(self.plan.devices))
        for worker in range(self.plan.jobs, wanted):
            self.start(worker)
        need = max(measured.peak for measured in self.measured) / (1 << 30)
        self.view.show(
            Note(f"A trial needs {need:.1f} GiB of a GPU: up to {wanted} run at a time now.")
        )

    def restart(self, worker: int) -> None:
        """End a worker on purpose and start another in its place."""
        self.idle.discard(worker)
        self.launcher.kill(worker)
        self.start(worker)

    def end_hung(self) -> None:
        """Fail the trials that take far longer than trials take."""
        limit = self.recorder.time_limit()
        for worker, job in list(self.jobs.items()):
            if job.seconds - job.excused > limit:
                del self.jobs[worker]
                self.restart(worker)
                self.recorder.failed(job, f"hung: no end after {limit:.0f} s")
