"""The driver with a thousand workers and ten thousand trials: `python -m benchmarks.scale`.

The workers are simulated: they answer at once, so that the driver is all that is measured. Means
over the trials since the last mark, in milliseconds of wall and of the driver's thread's CPU time:
asking for a trial, judging a rung, telling an end, what follows it. Then the whole process's CPU
time a trial, the mirror's thread with it; what the mirror has not delivered yet; memory; database
size.

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
from pathlib import Path
from typing import Any

import psutil

from benchmarks.machine import describe_machine
from benchmarks.simulated import Clock, SimulatedLauncher, make_plan
from harness.search.driver import Driver
from harness.search.phases import SearchStage
from harness.search.search import open_tracker
from harness.search.stopping import StopSwitch
from harness.search.worker_startup import start_workers
from harness.study import study as record
from harness.study.database import open_storage, sqlite_url
from harness.study.storage import OnlyWriter
from harness.tracking import NullTracker

RESULTS = Path(__file__).parent / "results"
MARKS = (200, 500, 1000, 2000, 3000, 5000, 10000)


class Timed:
    """What functions took since the last mark, in milliseconds by the step's name."""

    def __init__(self) -> None:
        self.wall: dict[str, list[float]] = defaultdict(list)
        self.cpu: dict[str, list[float]] = defaultdict(list)

    def note(self, owner: object, name: str, step: str) -> None:
        """Have a method of `owner` timed from now on."""
        method = getattr(owner, name)

        def timed(*args: Any, **named: Any) -> Any:
            wall, cpu = time.perf_counter(), time.thread_time()
            try:
                return method(*args, **named)
            finally:
                self.wall[step].append(1000 * (time.perf_counter() - wall))
                self.cpu[step].append(1000 * (time.thread_time() - cpu))

        setattr(owner, name, timed)

    def means(self, clock: str) -> dict[str, float]:
        noted: dict[str, list[float]] = getattr(self, clock)
        return {step: round(statistics.mean(times), 2) for step, times in noted.items()}

    def forget(self) -> None:
        self.wall.clear()
        self.cpu.clear()


def write(measured: dict[str, Any], name: str) -> None:
    (RESULTS / f"{name}.json").write_text(json.dumps(measured, indent=1) + "\n")


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
        storage = OnlyWriter(open_storage(sqlite_url(file)))
        study = record.create_study(storage, "simulated", plan.facts, plan.recipes)
        began, timed = time.perf_counter(), Timed()
        last_mark, cpu_so_far = 0, time.process_time()

        def ended(count: int) -> None:
            nonlocal last_mark, cpu_so_far
            if count not in MARKS and count != asked.trials:
                return
            since, last_mark = count - last_mark, count
            measured["marks"][str(count)] = {
                "wall_ms": timed.means("wall"),
                "cpu_ms": timed.means("cpu"),
                "cpu_ms_a_trial": round(1000 * (time.process_time() - cpu_so_far) / since, 2),
                "mirror_waits": len(list(plan.paths.outbox.glob("*.entry"))),
                "rss_mib": round(psutil.Process().memory_info().rss / 2**20),
                "study_mib": round(file.stat().st_size / 2**20, 1),
                "seconds_so_far": round(time.perf_counter() - began),
                "load": round(os.getloadavg()[0], 1),
            }
            timed.forget()
            cpu_so_far = time.process_time()
            print(count, json.dumps(measured["marks"][str(count)]), flush=True)
            write(measured, asked.name)

        view = Clock(ended)
        tracker = NullTracker() if asked.unmirrored else open_tracker(plan, study, view)
        with SimulatedLauncher(plan.paths.folder, b"") as launcher:
            start_workers(launcher, asked.jobs)
            stage = SearchStage(plan, study, tracker, asked.trials)
            driver = Driver(plan, stage, launcher, view)
            for owner, name, step in (
                (driver, "next_job", "ask"),
                (driver, "rung", "rung"),
                (driver.recorder, "tell", "tell"),
                (driver.recorder, "close", "close"),
            ):
                timed.note(owner, name, step)
            driver.run(StopSwitch(None))
        ended_at = time.perf_counter()
        tracker.finish()
        measured["mirror_behind_s"] = round(time.perf_counter() - ended_at, 1)
    write(measured, asked.name)


if __name__ == "__main__":
    main()
