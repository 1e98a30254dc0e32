"""The driver with a thousand workers and ten thousand trials: `python -m benchmarks.scale`.

The workers are simulated: they answer at once, so that the driver is all that is measured. Means
over the trials since the last mark, in milliseconds of wall and of this process's CPU time: asking
for a trial, judging a rung, telling an end, mirroring that. Then memory and database size.

    python -m benchmarks.scale --jobs 1000 --trials 10000 --unmirrored
    python -m benchmarks.scale --jobs 1000 --trials 2000 --name scale_mirrored

The results file (`results/scale.json`) is written at every mark.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from benchmarks.machine import describe_machine
from benchmarks.simulated import Clock, SimulatedLauncher, make_plan
from harness import study as record
from harness.driver import Driver, Job, start_workers
from harness.search import open_tracker
from harness.stage import SearchStage
from harness.stopping import StopSwitch
from harness.storage import OnlyWriter
from harness.tracking import Ending, NullTracker
from harness.trial_messages import Rung

RESULTS = Path(__file__).parent / "results"
MARKS = (200, 500, 1000, 2000, 3000, 5000, 10000)


class TimedDriver(Driver):
    """A driver that notes how long its steps take."""

    wall: dict[str, list[float]]
    cpu: dict[str, list[float]]

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        self.wall[step].append(1000 * (time.perf_counter() - wall))
        self.cpu[step].append(1000 * (time.process_time() - cpu))

    def next_job(self) -> Job | None:
        with self.timed("ask"):
            return super().next_job()

    def rung(self, worker: int, job: Job, rung: Rung) -> None:
        with self.timed("rung"):
            super().rung(worker, job, rung)

    def tell(self, *args: Any, **named: Any) -> None:
        with self.timed("tell"):
            super().tell(*args, **named)

    def close(self, job: Job, ending: Ending, value: float | None) -> None:
        with self.timed("close"):
            super().close(job, ending, value)

    def forget(self) -> None:
        self.wall, self.cpu = defaultdict(list), defaultdict(list)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--trials", type=int, default=10000)
    parser.add_argument("--unmirrored", action="store_true", help="without MLflow")
    parser.add_argument("--name", default="scale", help="of the results file")
    asked = parser.parse_args()
    measured: dict[str, Any] = {
        "machine": describe_machine("cpu"),
        "load_before": round(os.getloadavg()[0], 1),
        "workers": asked.jobs,
        "mlflow": not asked.unmirrored,
        "marks": {},
    }
    with tempfile.TemporaryDirectory() as folder:
        plan = make_plan(Path(folder), jobs=asked.jobs, budget=asked.trials)
        plan.paths.folder.mkdir(parents=True)
        file = plan.run_paths.optuna_db
        storage = OnlyWriter(record.open_storage(record.sqlite_url(file)))
        study = record.create_study(storage, "simulated", plan.facts, plan.recipes)
        began = time.perf_counter()

        def ended(count: int) -> None:
            if count not in MARKS and count != asked.trials:
                return
            measured["marks"][str(count)] = {
                "wall_ms": {k: round(statistics.mean(v), 2) for k, v in driver.wall.items()},
                "cpu_ms": {k: round(statistics.mean(v), 2) for k, v in driver.cpu.items()},
                "rss_mib": round(psutil.Process().memory_info().rss / 2**20),
                "study_mib": round(file.stat().st_size / 2**20, 1),
                "seconds_so_far": round(time.perf_counter() - began),
                "load": round(os.getloadavg()[0], 1),
            }
            driver.forget()
            print(count, json.dumps(measured["marks"][str(count)]), flush=True)
            text = json.dumps(measured, indent=1)
            (RESULTS / f"{asked.name}.json").write_text(text + "\n")

        view = Clock(ended)
        tracker = NullTracker() if asked.unmirrored else open_tracker(plan, study, view)
        with SimulatedLauncher(plan.paths.folder, b"") as launcher:
            start_workers(launcher, asked.jobs)
            stage = SearchStage(plan, study, tracker, asked.trials)
            driver = TimedDriver(plan, stage, launcher, view)
            driver.forget()
            driver.run(StopSwitch(None))


if __name__ == "__main__":
    main()
