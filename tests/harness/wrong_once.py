"""Runners of which one trial goes wrong the first time that it runs.

Not in a test's own file: a worker imports the file of its runner, and with it what tests import.
"""

import math
import os
import signal
import time

from driving import Instant, Slow, note_run, runs_of

from harness.trials.messages import Report, Rung, TrialResult, TrialTask


class DiesWhenStopped(Instant):
    """Trial 1 has no score the first time, and its worker dies as it is told to stop for that."""

    def run(self, task: TrialTask, report: Report) -> TrialResult | None:
        if task.number == 1 and runs_of(self.plan.folder, 1) == 0:
            note_run(self.plan, task)
            assert not report(Rung(10, math.nan, {}, {}))
            os.kill(os.getpid(), signal.SIGKILL)
        return super().run(task, report)


class DiesLate(Instant):
    """Trial 1's worker dies after its second rung, the first time."""

    def run(self, task: TrialTask, report: Report) -> TrialResult | None:
        if task.number == 1 and runs_of(self.plan.folder, 1) == 0:
            note_run(self.plan, task)
            assert report(self.rung(task, 10))
            assert report(self.rung(task, 20))
            os.kill(os.getpid(), signal.SIGKILL)
        return super().run(task, report)


class Crowded(Slow):
    """Notes when each run begins and ends; trial 2 finds too little memory the first time."""

    def run(self, task: TrialTask, report: Report) -> TrialResult | None:
        file, begun = self.plan.folder / "times.txt", time.monotonic()
        try:
            if task.number == 2 and runs_of(self.plan.folder, 2) == 0:
                note_run(self.plan, task)
                raise MemoryError("16 GiB")
            return super().run(task, report)
        finally:
            with file.open("a") as opened:
                opened.write(f"{task.number} {begun} {time.monotonic()}\n")
