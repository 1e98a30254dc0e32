"""How soon a search that prunes has what the plain loop finds, at an equal best score.

    python -m benchmarks.pruned [--trials 16] [--seeds 0 1]

The plain loop (`benchmarks.plain_loop`) trains `--trials` settings to their end, one after the
other. What it finds, and at which trial, is read off a search of ours that prunes nothing, with the
same sampler and seed: trained by either, a setting's score is the same but for the luck of its
batches. What it takes is, for each trial up to that one, a plain trial's seconds: the mean of
`PLAIN` of them, run in between. Then `harness search`, as a user starts it, pruner and
all, runs until its best reaches the plain loop's, or for twice as many trials. Both find the warm
start ready; a search's seconds count from its command, start-up included.

`ratio` is the plain loop's seconds over the search's, at that best score; None where twice the
trials did not reach it. `ratio_at_as_many` is the same at equal numbers of trials, whatever their
scores: there is less luck in it. About seven minutes a seed on two cores.
Results: `results/pruned.json`.
"""

import argparse
import json
import signal
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.machine import describe_machine
from benchmarks.plain_loop import (
    open_study,
    search_command,
    settings_of,
    timed_plain_loop,
    write_pictures,
)
from harness.errors import HarnessError

RESULT = Path(__file__).parent / "results" / "pruned.json"
PLAIN = 4  # plain trials that are timed
POLL = 3.0  # seconds between two looks at the search's record


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=16, help="of the plain loop")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    asked = parser.parse_args()
    rows = []
    for seed in asked.seeds:
        with tempfile.TemporaryDirectory() as made:
            rows.append(one_seed(Path(made), seed, asked.trials))
        print(json.dumps(rows[-1]), flush=True)
    reached = [row["ratio"] for row in rows if row["ratio"] is not None]
    held = {
        "machine": describe_machine("cpu"),
        "trials": asked.trials,
        "seeds": rows,
        "reached": f"{len(reached)} of {len(rows)}",
        # A search that was not reached is the slowest of all: no median without a majority.
        "ratio": statistics.median_low(reached + [0.0] * (len(rows) - len(reached))) or None,
        "ratio_at_as_many": statistics.median(row["ratio_at_as_many"] for row in rows),
    }
    RESULT.write_text(json.dumps(held, indent=1) + "\n")
    print(json.dumps(held, indent=1))


def one_seed(folder: Path, seed: int, trials: int) -> dict[str, Any]:
    """The plain loop's best with this seed, and when the search that prunes has it."""
    whole, pruned = folder / "whole", folder / "pruned"
    search(whole, trials, seed, "--pruner", "none")
    found_at, target = max(enumerate(scores(whole), 1), key=lambda numbered: numbered[1])
    search(pruned, 1, seed)  # makes the warm start; its one trial counts for nothing
    write_pictures(whole)
    settings = [params for params, _ in settings_of(whole)[:PLAIN]]
    each = timed_plain_loop(whole, settings)[0] / len(settings)
    began = time.time()
    process = subprocess.Popen(
        search_command(pruned, 1 + 2 * trials, "--seed", str(seed)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while process.poll() is None:
        time.sleep(POLL)
        if ended(pruned) > trials and any(value >= target for _, value in finished(pruned, 0.0)):
            process.send_signal(signal.SIGINT)
            process.wait()
    done = finished(pruned, began)
    at = next((seconds for seconds, value in done if value >= target), None)
    as_many = sorted(ends(pruned, began))[trials]
    return {
        "seed": seed,
        "plain": {
            "trial_seconds": round(each, 1),
            "best": target,
            "found_at": found_at,
            "seconds_to_that_best": round(found_at * each, 1),
            "seconds": round(trials * each, 1),
        },
        "ours": {
            "seconds_to_that_best": None if at is None else round(at, 1),
            "seconds_for_as_many_trials": round(as_many, 1),
            "best_of_as_many": max(value for seconds, value in done if seconds <= as_many),
            "trials": ended(pruned) - 1,
        },
        "ratio": None if at is None else round(found_at * each / at, 2),
        "ratio_at_as_many": round(trials * each / as_many, 2),
    }


def search(folder: Path, budget: int, seed: int, *more: str) -> None:
    command = search_command(folder, budget, "--seed", str(seed), *more)
    subprocess.run(command, check=True, capture_output=True)


def finished(folder: Path, began: float) -> list[tuple[float, float]]:
    """Every trial that ran to its end: its seconds since `began`, its score; in that order."""
    return sorted(
        (trial.datetime_complete.timestamp() - began, trial.values[0])
        for trial in recorded(folder)
        if trial.state.name == "COMPLETE"
    )


def scores(folder: Path) -> list[float]:
    """Those of a search that prunes nothing, in the order of its trials."""
    return [trial.values[0] for trial in recorded(folder) if trial.values]


def ends(folder: Path, began: float) -> list[float]:
    """When every trial ended, in whatever way."""
    return [
        trial.datetime_complete.timestamp() - began
        for trial in recorded(folder)
        if trial.state.is_finished()
    ]


def ended(folder: Path) -> int:
    return len(ends(folder, 0.0))


def recorded(folder: Path) -> list[Any]:
    """The trials on record; none before the study is made."""
    try:
        return list(open_study(folder).trials)
    except HarnessError:
        return []


if __name__ == "__main__":
    main()
