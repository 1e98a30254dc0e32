"""How fast pairs are checked and made.

    python -m benchmarks.data --pairs 1000 --size 1024

Makes pairs from scikit-image's astronaut, copies them to the wanted number, checks them all in one
pass, and prints one JSON object: pairs a second, the peak of the memory of the main process and of
its largest worker, processors kept busy; and a warp at that size beside scikit-image's `warp`.
"""

import argparse
import json
import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from skimage.transform import warp

from benchmarks.machine import describe_machine
from harness.data.check import check, measure_all
from harness.data.folders import find_pairs
from harness.data.liquify import displacement, resample
from harness.data.make import MakePlan, make_pairs
from harness.data.pool import processes_for
from harness.data.retouch import slim_jaw
from harness.data.samples import middle_face, photograph_file

DISTINCT = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=1000)
    parser.add_argument("--size", type=int, default=1024)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        facts = {
            **describe_machine("cpu"),
            "pairs": asked.pairs,
            "size": asked.size,
            **make_and_check(Path(folder), asked.pairs, asked.size),
            **warps(asked.size),
        }
    print(json.dumps(facts, indent=2))


def make_and_check(root: Path, pairs: int, size: int) -> dict[str, float]:
    """Seconds and memory of making a few pairs and of checking many."""
    originals = root / "originals"
    originals.mkdir()
    face = Image.open(photograph_file("astronaut.png")).crop((96, 0, 352, 256))
    face.resize((size, size), Image.Resampling.LANCZOS).save(originals / "astronaut.png")
    begun = time.perf_counter()
    made = make_pairs(
        originals, DISTINCT, MakePlan(root / "made", size, 0), processes_for(DISTINCT)
    )
    making = time.perf_counter() - begun
    distinct = sorted((made / "train").glob("*.png"))
    many = root / "many"
    (many / "train").mkdir(parents=True)
    for number in range(pairs):
        shutil.copy(distinct[number % DISTINCT], many / "train" / f"{number:06d}.png")
    folder = find_pairs(many)
    begun, busy = time.perf_counter(), children_seconds()
    result = check(folder, measure_all(folder, processes_for(pairs)), "AtoB")
    checking = time.perf_counter() - begun
    assert len(result.pairs) == pairs
    return {
        "made_per_second": round(DISTINCT / making, 2),
        "checked_per_second": round(pairs / checking, 2),
        "processors_busy": round((children_seconds() - busy) / checking, 2),
        "peak_mib_main": peak_mib(resource.RUSAGE_SELF),
        "peak_mib_worker": peak_mib(resource.RUSAGE_CHILDREN),
    }


def children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def peak_mib(whose: int) -> int:
    return resource.getrusage(whose).ru_maxrss // 1024


def warps(size: int) -> dict[str, float]:
    """Milliseconds of one jaw slimming, ours and scikit-image's at orders 1 and 5."""
    picture = np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8)
    strokes = slim_jaw(middle_face(size), np.random.default_rng(0))
    field = displacement(strokes, size, size)
    rows, columns = np.mgrid[:size, :size]
    grid = np.stack([rows + field[1], columns + field[0]])

    def plain(order: int) -> None:
        for channel in range(3):
            warp(picture[:, :, channel], grid, order=order, preserve_range=True)

    return {
        "field_ms": milliseconds(lambda: displacement(strokes, size, size)),
        "warp_ms": milliseconds(lambda: resample(picture, field)),
        "skimage_bilinear_ms": milliseconds(lambda: plain(1)),
        "skimage_quintic_ms": milliseconds(lambda: plain(5)),
    }


def milliseconds(work: Callable[[], object]) -> float:
    """The best of three."""
    times = []
    for _ in range(3):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return round(1000 * min(times), 1)


if __name__ == "__main__":
    main()
