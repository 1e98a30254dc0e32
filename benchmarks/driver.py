"""The driver's cost per trial: `python -m benchmarks.driver [--trials 1000]` (6 minutes).

The time of a trial that takes no time itself: ask, report five rungs and decide on pruning, tell,
log to MLflow, keep its files. Medians of the trials around the 10th, 100th and 1,000th (and
10,000th, with `--trials 10000`). A thread of the driver delivers to MLflow: its CPU time is
included, and `mirror_behind_s` is its remaining work at the end. The peer is the usual loop: one
study in SQLite, `study.optimize`, a nested MLflow run with a call per parameter and metric.

With `--panels` every rung has a picture, as in a real search. Results: `results/driver.json`.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.simulated import Clock, SimulatedLauncher, make_plan, picture, quality
from harness.config.profiles import QUICK
from harness.search.stop_signals import StopSwitch
from search_spaces.recipes import load_recipes
from search_spaces.space import load_space

MARKS = (10, 100, 1000, 10000)


Moment = tuple[float, float]
"""Wall-clock seconds, and CPU seconds of this process."""


def now() -> Moment:
    return time.perf_counter(), time.process_time()


def ours(folder: Path, trials: int, panel: bytes) -> tuple[list[Moment], float]:
    """The start and the end of each trial, with one worker that answers at once.

    Also the seconds by which MLflow, which is written in the background, lagged at the end.
    """
    from harness.search.driver import Driver
    from harness.search.phases import SearchPhase
    from harness.search.search import open_tracker
    from harness.search.worker_startup import start_workers
    from harness.study import study as record
    from harness.study.database import open_storage, sqlite_url
    from harness.study.storage import SingleWriterStorage

    plan = make_plan(folder, jobs=1, budget=trials)
    plan.paths.folder.mkdir(parents=True)
    ends: list[Moment] = []
    view = Clock(lambda _: ends.append(now()))
    storage = SingleWriterStorage(open_storage(sqlite_url(plan.run_paths.optuna_db)))
    study = record.create_study(storage, "simulated", plan.setup, plan.recipes)
    tracker = open_tracker(plan, study, view)
    with closing(SimulatedLauncher(plan.paths.folder, panel)) as launcher:
        start_workers(launcher, 1)
        driver = Driver(plan, SearchPhase(plan, study, tracker, trials), launcher, view)
        ends.append(now())
        driver.run(StopSwitch(None))
    tracker.finish()
    return ends, now()[0] - ends[-1][0]


def plain(folder: Path, trials: int, panel: bytes) -> list[Moment]:
    """The same, with Optuna and MLflow as in their own tutorials."""
    import io

    import mlflow
    import optuna
    from PIL import Image

    from benchmarks.simulated import COMPONENTS, LOSSES

    folder.mkdir(parents=True)
    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    mlflow.set_experiment("plain")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    space = load_space("default").without("generator")
    study = optuna.create_study(
        study_name="plain",
        storage=f"sqlite:///{folder}/optuna.db",
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=0),
        pruner=optuna.pruners.MedianPruner(),
    )
    for params in load_recipes().values():
        study.enqueue_trial(space.suggestion(params, QUICK.model_dump()))

    def objective(trial: optuna.Trial) -> float:
        space.suggest(trial)
        params = space.params(trial.params)
        with mlflow.start_run(run_name=f"trial {trial.number}", nested=True):
            mlflow.log_params(params.model_dump())
            for step in QUICK.rungs:
                value = quality(params, step)
                mlflow.log_metric("score", value, step=step)
                for name in COMPONENTS:
                    mlflow.log_metric(name, value, step=step)
                for name in LOSSES:
                    mlflow.log_metric(name, 1 / step, step=step)
                if panel:
                    mlflow.log_image(Image.open(io.BytesIO(panel)), f"panel_{step}.png")
                trial.report(value, step)
                if trial.should_prune():
                    raise optuna.TrialPruned
        return value

    with mlflow.start_run(run_name="study"):
        ends = [now()]
        study.optimize(objective, n_trials=trials, callbacks=[lambda *_: ends.append(now())])
    return ends


def around_marks(ends: list[Moment]) -> dict[str, dict[str, float]]:
    """Median milliseconds of the trials around each mark that was reached: wall, and CPU."""
    found = {}
    for mark in MARKS:
        half = max(4, mark // 20)
        window = ends[max(0, mark - half) : mark + half]
        if len(ends) > mark:
            found[str(mark)] = {
                clock: round(1000 * statistics.median(b[i] - a[i] for a, b in pairwise(window)), 1)
                for i, clock in enumerate(("wall", "cpu"))
            }
    return found


def main() -> None:
    from benchmarks.scaffold import write_result

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--plain-trials", type=int, default=100, help="0: leave it out")
    parser.add_argument("--panels", action="store_true", help="a picture at every rung")
    parser.add_argument("--name", default="driver", help="of the results file")
    asked = parser.parse_args()
    panel = picture() if asked.panels else b""
    measured: dict[str, Any] = {
        "load_before": round(os.getloadavg()[0], 1),
        "rungs": len(QUICK.rungs),
        "panel_bytes": len(panel),
    }
    with tempfile.TemporaryDirectory() as folder:
        found, behind = ours(Path(folder) / "ours", asked.trials, panel)
        measured["driver_ms"] = around_marks(found)
        measured["mirror_behind_s"] = round(behind, 2)
        print(json.dumps(measured, indent=1), flush=True)
        if asked.plain_trials:
            found = plain(Path(folder) / "plain", asked.plain_trials, panel)
            measured["plain_optuna_and_mlflow_ms"] = around_marks(found)
    measured["load_after"] = round(os.getloadavg()[0], 1)
    write_result(asked.name, measured)


if __name__ == "__main__":
    main()
