"""How cost grows: with steps, picture size, batch, trials and workers; each with its slope.

    python -m benchmarks.growth

Built-in pairs, random weights, the quick profile's networks and steps but for what is varied:
a trial's seconds by its steps (one thread, two rungs); a step's by the picture's side and by the
batch (one thread, no perceptual term); and the seconds of a whole search, from the command to its
end, by its trials and its workers. Such a search has short trials (`SHORT`), so that many fit. A
slope is that of the least-squares line; by the side, `exponent` is that of the power of the pixels.
About six minutes on two cores. Results: `results/growth.json`.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.machine import describe_machine
from benchmarks.step import batch, our_step, seconds
from harness.config.profiles import QUICK
from harness.config.settings import TrialPlan
from harness.data.pairs.cache import default_cache
from harness.data.pairs.prepare import prepare_data
from harness.trials.messages import TrialTask
from harness.trials.trial import Trials
from search_spaces.params import TrialParams

RESULT = Path(__file__).parent / "results" / "growth.json"
PARAMS = TrialParams(lambda_L1=100, lambda_perceptual=10, n_layers_D=3, gan_mode="lsgan", lr=1e-4)
STEPS = (100, 200, 400, 800)
SIDES = (128, 256, 384, 512)
BATCHES = (1, 2, 4, 8)
TRIALS = (4, 8, 16)
WORKERS = (1, 2, 4)
ROUNDS = 12
SHORT = {"steps": 40, "rungs": (20, 40), "warm_start_steps": 40, "warm_discriminator_steps": 10}


def line(found: dict[int, float]) -> dict[str, Any]:
    """What was found, and the straight line through it."""
    slope, base = np.polyfit(list(found), list(found.values()), 1)
    return {"seconds": found, "slope": float(f"{slope:.3g}"), "base": float(f"{base:.3g}")}


def by_steps(folder: Path) -> dict[str, Any]:
    """A trial's seconds, from its task to its checkpoint."""
    found = {}
    for steps in STEPS:
        plan = TrialPlan(
            dataset=prepare_data(None, "AtoB", QUICK, default_cache()).file,
            folder=folder / str(steps),
            train=QUICK.but({"steps": steps, "rungs": (steps // 2, steps)}),
            weights="random",
            device="cpu",
            threads=1,
            warm_start_threads=1,
            warm_start="none",
            discriminators=(),
        )
        trials = Trials(plan)
        for attempt in range(2 if steps == STEPS[0] else 1):  # the first one warms up
            began = time.perf_counter()
            trials.run(TrialTask(attempt, PARAMS, seed=0), lambda rung: True)
            found[steps] = round(time.perf_counter() - began, 2)
    return line(found)


def by_setting(name: str, values: tuple[int, ...]) -> dict[int, float]:
    """A quick step's seconds for each value of one training setting."""
    found = {}
    for value in values:
        settings = QUICK.but({name: value})
        step, pair = our_step(settings, "cpu", captured=False), batch(settings, "cpu")
        seconds(step, pair, 3)
        found[value] = round(seconds(step, pair, ROUNDS), 5)
    return found


def by_side() -> dict[str, Any]:
    found = by_setting("crop_size", SIDES)
    megapixels = {side: side * side / 1e6 for side in SIDES}
    slope, base = np.polyfit(list(megapixels.values()), list(found.values()), 1)
    power, _ = np.polyfit(np.log(list(megapixels.values())), np.log(list(found.values())), 1)
    return {
        "seconds": found,
        "slope_a_megapixel": float(f"{slope:.3g}"),
        "base": float(f"{base:.3g}"),
        "exponent": round(float(power), 2),
    }


def seconds_of_search(folder: Path, trials: int, workers: int) -> float:
    """Of the whole command, whose own code is that of `harness` but for one profile more."""
    code = (
        "from harness.config.profiles import PROFILES, QUICK\n"
        f"PROFILES['short'] = QUICK.but({SHORT})\n"
        "from harness.cli.app import main\n"
        "main()"
    )
    arguments = ["search", "--profile", "short", "--budget", str(trials), "--jobs", str(workers)]
    arguments += ["--finalists", "0", "--pruner", "none", "--weights", "random", "--device", "cpu"]
    arguments += ["--run-dir", str(folder), "--study", f"{trials}-trials-{workers}-workers"]
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True)
    return round(time.perf_counter() - began, 2)


def by_trials_and_workers(folder: Path) -> dict[str, Any]:
    """Slopes: seconds of a search for each further trial; `speedup` of that against one worker."""
    rows = {
        workers: line({n: seconds_of_search(folder, n, workers) for n in TRIALS})
        for workers in WORKERS
    }
    for row in rows.values():
        row["speedup"] = round(rows[1]["slope"] / row["slope"], 2)
    return {str(workers): row for workers, row in rows.items()}


def main() -> None:
    torch.set_flush_denormal(True)
    with tempfile.TemporaryDirectory() as made:
        searches = by_trials_and_workers(Path(made))
        torch.set_num_threads(1)
        held = {
            "machine": describe_machine("cpu"),
            "a trial by its steps": by_steps(Path(made)),
            "a step by the picture's side": by_side(),
            "a step by the batch": line(by_setting("batch_size", BATCHES)),
            "a search by its trials, for each number of workers": searches,
        }
    RESULT.write_text(json.dumps(held, indent=1) + "\n")
    print(json.dumps(held, indent=1))


if __name__ == "__main__":
    main()
