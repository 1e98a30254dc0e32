"""The report's time, memory and size by number of trials: `python -m benchmarks.report`.

Each size is measured in a process of its own, on a made-up study held in memory: peak memory is the
process's, study and imports included; the time is that of writing the page, imports included too.
Results go to `results/report.json`.
"""

import argparse
import json
import multiprocessing
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
SIZES = (250, 500, 1000, 2000)


def measure(trials: int) -> dict[str, float]:
    """Write the report of a study of so many trials."""
    import optuna

    from benchmarks.synthetic_studies import make_study

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = make_study(trials)
    start = time.perf_counter()
    from reports.html import write_report

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "report.html"
        write_report(study, file)
        size = file.stat().st_size
    return {
        "trials": trials,
        "seconds": round(time.perf_counter() - start, 2),
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "page_mib": round(size / 2**20, 2),
    }


def main() -> None:
    from benchmarks.machine import describe_machine  # torch stays out of the measured processes

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    asked = parser.parse_args()
    rows = []
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, max_tasks_per_child=1) as pool:
        for found in pool.map(measure, asked.sizes):
            rows.append(found)
            print(found, flush=True)
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps({"machine": describe_machine("cpu"), "rows": rows}, indent=1)
    (RESULTS / "report.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
