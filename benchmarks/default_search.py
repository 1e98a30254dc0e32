"""Does the default search find a remedy, and in which time? Its verdicts for several seeds.

    python -m benchmarks.default_search --seeds 0 1 2 3 4    # 30 minutes on two quiet cores

`harness search --budget 50 --seed N` on the built-in pairs, each in a folder of its own; nothing
else should run meanwhile. The verdicts are of the pairs held out: how far the best of all, and the
best with train.py as it is, lie above the guide's recommended setting, with 95 % intervals, and
what returning the picture unchanged scores there; and how far the best lies above the recipe
`warp`, which is a finalist too. A remedy leads by an interval above zero and scores more than the
unchanged picture. A seed that is run again replaces its own result alone. Another processor rounds
in another way, and gets a file of its own by --name.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.scaffold import describe_machine, result_file, save_result

COMMAND = "harness search --budget 50 --seed {seed}"


def search(seed: int, folder: Path) -> dict[str, Any]:
    """One search: its time, its exit code, and its outcome as `--json` has it."""
    began = time.perf_counter()
    words = COMMAND.format(seed=seed).split()[1:]
    run = [sys.executable, "-m", "harness", *words]
    done = subprocess.run(
        [*run, "--json", "--run-dir", str(folder)], stdout=subprocess.PIPE, text=True, check=False
    )
    outcome = json.loads(done.stdout.splitlines()[-1])
    return {
        "seed": seed,
        "exit_code": done.returncode,
        "wall_seconds": round(time.perf_counter() - began),
        "load_at_the_end": round(os.getloadavg()[0], 1),
        **told(outcome),
    }


def told(outcome: dict[str, Any]) -> dict[str, Any]:
    """What a search ended with: counts, answers, and each finalist's score."""
    finals = outcome["finalists"]
    as_is, best = finals["as_is"], finals["rows"][0]
    return {
        "counts": outcome["counts"],
        "answers": outcome["answers"],
        "unchanged": finals["noop"],
        "score": best["mean"],
        "lead": finals["difference"],
        "lead_over_warp": finals["ahead_of_warp"],
        "remedy": bool(finals["better"] and best["mean"] > finals["noop"]),
        "as_is": as_is and {key: as_is[key] for key in ("name", "difference", "verdict")},
        "finalists": [
            {key: row[key] for key in ("name", "recipe", "params", "mean", "ci95")}
            for row in finals["rows"]
        ],
    }


def as_text(lead: dict[str, float] | None) -> str:
    return "none" if lead is None else "{mean:+.4f} [{low:+.4f}, {high:+.4f}]".format(**lead)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--name", default="default_search")
    asked = parser.parse_args()
    file, machine = result_file(asked.name), describe_machine("cpu")
    kept: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    if kept and kept["machine"]["device"] != machine["device"]:
        parser.error(f"{file} is of another processor: give another --name")
    found = {each["seed"]: each for each in kept.get("searches", ())}
    for seed in asked.seeds:
        with tempfile.TemporaryDirectory() as folder:
            found[seed] = search(seed, Path(folder))
        one = found[seed]
        print(
            f"seed {seed}: {one['wall_seconds']} s, {one['score']:.4f} (unchanged "
            f"{one['unchanged']:.4f}), leads by {as_text(one['lead'])}; over the recipe warp: "
            f"{as_text(one['lead_over_warp'])}",
            flush=True,
        )
        kept = {
            "machine": machine,
            "command": COMMAND.format(seed="N"),
            "searches": [found[each] for each in sorted(found)],
        }
        save_result(asked.name, kept)


if __name__ == "__main__":
    main()
