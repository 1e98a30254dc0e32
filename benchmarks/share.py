"""Where a real short search spends its time: `python -m benchmarks.share [--budget 12]`.

A search as README's first line begins it, of fewer trials: built-in pairs, the quick profile,
MLflow on. `trains`: the share of its wall time, from the call to the outcome, in which some worker
trained or scored, the warm start among it. `workers_busy`: the share of the workers' own time that
they did, from a worker's first trial to its last; what is missing there is waiting for the driver.

About five minutes on two cores. Results: `results/share.json`.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

from harness.config.settings import SearchConfig, TrialPlan
from harness.console.views import PlainView
from harness.search.search import search
from harness.trials.launchers.local import import_for_workers
from harness.trials.messages import Baseline, Report, Rung, Tell, TrialResult, TrialTask
from harness.trials.worker import trial_runner

RESULTS = Path(__file__).parent / "results"

Span = dict[str, Any]
"""Seconds from `began` to `ended`, by a clock that all processes share, of a `worker` (`trial`:
-1 is the preparation)."""


class Watched:
    """The real runner, which notes when it trains and scores, and not while it waits."""

    def __init__(self, plan: TrialPlan) -> None:
        self.file = plan.folder / "spans.jsonl"
        self.own = trial_runner(plan)
        self.began = 0.0

    def note(self, trial: int) -> None:
        span = {"worker": os.getpid(), "trial": trial, "began": self.began, "ended": time.time()}
        with self.file.open("a") as file:
            file.write(json.dumps(span) + "\n")

    @contextmanager
    def noted(self, trial: int) -> Iterator[None]:
        self.began = time.time()
        yield
        self.note(trial)

    def prepare(self, tell: Tell) -> Baseline:
        with self.noted(-1):
            return self.own.prepare(tell)

    def run(self, task: TrialTask, report: Report) -> TrialResult | None:
        def reported(rung: Rung) -> bool:
            self.note(task.number)
            goes_on = report(rung)
            self.began = time.time()
            return goes_on

        with self.noted(task.number):
            return self.own.run(task, reported)


def covered(spans: Sequence[Span]) -> float:
    """Seconds in which at least one span lasts."""
    total, until = 0.0, 0.0
    for span in sorted(spans, key=lambda one: one["began"]):
        total += max(0.0, span["ended"] - max(until, span["began"]))
        until = max(until, span["ended"])
    return total


def busy(spans: Sequence[Span]) -> float:
    """The share of their time, from first trial to last, that workers trained and scored."""
    trials = sorted((one for one in spans if one["trial"] >= 0), key=lambda one: one["worker"])
    lasted = did = 0.0
    for _, grouped in groupby(trials, key=lambda one: one["worker"]):
        own = list(grouped)
        lasted += max(one["ended"] for one in own) - min(one["began"] for one in own)
        did += covered(own)
    return did / lasted


def main() -> None:
    import sys

    from benchmarks.machine import describe_machine

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--budget", type=int, default=12)
    parser.add_argument("--jobs", type=int, help="workers; left out: as a search chooses")
    asked = parser.parse_args()
    measured: dict[str, Any] = {
        "machine": describe_machine("cpu"),
        "load_before": round(os.getloadavg()[0], 1),
        "budget": asked.budget,
    }
    with tempfile.TemporaryDirectory() as folder:
        jobs = {"jobs": asked.jobs} if asked.jobs else {}
        config = SearchConfig(
            run_dir=Path(folder), study="share", budget=asked.budget, profile="quick", **jobs
        )
        began = time.time()
        import_for_workers()  # as a search does for its own runner
        outcome = search(config, PlainView(sys.stdout), Watched)
        wall = time.time() - began
        file = outcome.paths.folder / "spans.jsonl"
        spans = [json.loads(line) for line in file.read_text().splitlines()]
    waited = [
        after["began"] - before["ended"]
        for before, after in pairwise(sorted(spans, key=lambda one: (one["worker"], one["began"])))
        if (before["worker"], before["trial"]) == (after["worker"], after["trial"])
    ]
    measured |= {
        "counts": outcome.counts,
        "workers": len({span["worker"] for span in spans}),
        "seconds": round(wall, 1),
        "until_the_warm_start_s": round(min(span["began"] for span in spans) - began, 1),
        "after_the_last_trial_s": round(began + wall - max(span["ended"] for span in spans), 1),
        "warm_start_s": round(covered([span for span in spans if span["trial"] < 0]), 1),
        "trains": round(covered(spans) / wall, 4),
        "workers_busy": round(busy(spans), 4),
        "longest_wait_at_a_rung_ms": round(1000 * max(waited, default=0.0), 1),
        "load_after": round(os.getloadavg()[0], 1),
    }
    text = json.dumps(measured, indent=1)
    print(text)
    (RESULTS / "share.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
