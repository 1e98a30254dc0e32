"""The score's speed against plain libraries, and its growth in time and memory.

    python -m benchmarks.score    # 4 minutes on two quiet cores

64 built-in pairs at 256 px, with their originals blurred, are scored with plain libraries
(`plain_score`) and by `objectives`, in alternation, in one process: wall-clock and CPU seconds,
medians of the rounds. Without equal results there is no result. Three ratios: a rung of a search,
where the originals are prepared already and the peer caches nothing; the same if the peer cached
the input's LPIPS; and a single scoring, preparation included. Peak memory (Linux) is that of a
process that scores a folder, as `harness score` does. Results: `results/score.json`.
"""

import argparse
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from benchmarks.ladders import as_bytes, blur, inside
from benchmarks.scaffold import in_turns, peak_mib, write_result
from harness.data.pairs.built_in import built_in_pairs
from objectives.boundary_sharpness import BoundarySharpness
from objectives.masks import dilate
from objectives.score import Reference

PAIRS = 64
SIDE = 256
GROWTH = (16, 32, 64, 128, 256)
FOLDERS = (32, 128, 512)
# Libraries round differently; colours go through several powers.
TOLERANCE = 1e-4


def pairs(count: int) -> Reference:
    """The built-in training pairs, again and again up to `count`."""
    kinds = built_in_pairs(SIDE)["train"]
    chosen = [k % len(kinds) for k in range(count)]
    originals, masks, retouched = (
        torch.stack([kind[k] for k in chosen])
        for kind in (kinds.originals, kinds.masks, kinds.retouched)
    )
    names = tuple(f"{k:04d}.png" for k in range(count))
    return Reference(names, originals.float() / 255, masks, retouched.float() / 255)


def blurred(reference: Reference) -> Tensor:
    """What is scored: the originals, blurred by one pixel where they were warped."""
    x = reference.targets
    return inside(blur(1.0)(x), x, dilate(reference.masks))


def timed(todo: dict[str, Callable[[], object]], rounds: int) -> dict[str, dict[str, float]]:
    """Median seconds of each, in alternation, after a warm-up."""

    def clocked(act: Callable[[], object]) -> tuple[float, float]:
        wall, processor = time.perf_counter(), time.process_time()
        act()
        return time.perf_counter() - wall, time.process_time() - processor

    acts = {name: partial(clocked, act) for name, act in todo.items()}
    in_turns(acts, 1)
    spent = in_turns(acts, rounds)
    return {
        name: {
            "seconds": round(statistics.median(wall for wall, _ in each), 4),
            "cpu_seconds": round(statistics.median(cpu for _, cpu in each), 4),
        }
        for name, each in spent.items()
    }


def beside_the_plain_way(rounds: int) -> dict[str, object]:
    """Both ways on the same pictures: their largest difference, their times, the ratios.

    Raises:
        SystemExit: the figures differ.
    """
    from benchmarks.plain_score import plain_network, plain_noop, plain_rows

    reference = pairs(PAIRS)
    restored = blurred(reference)
    package, objective = plain_network(), BoundarySharpness("random")
    noop = plain_noop(package, reference)
    scorer = objective.against(reference)
    wanted, found = plain_rows(package, reference, restored, noop), scorer(restored).per_image
    apart = {
        key: max(abs(a[key] - float(b[key])) for a, b in zip(wanted, found, strict=True))
        for key in wanted[0]
    }
    worst = max(apart, key=lambda key: apart[key])
    if apart[worst] > TOLERANCE:
        raise SystemExit(f"{worst} differs by {apart[worst]:g}: the two ways do not agree.")
    times = timed(
        {
            "plain": lambda: plain_rows(package, reference, restored, noop),
            "plain_noop": lambda: plain_noop(package, reference),
            "prepare": lambda: objective.against(reference),
            "score": lambda: scorer(restored),
        },
        rounds,
    )

    def ratio(above: tuple[str, ...], below: tuple[str, ...], clock: str) -> float:
        return round(sum(times[n][clock] for n in above) / sum(times[n][clock] for n in below), 2)

    return {
        "pairs": PAIRS,
        "largest_difference": {"of": worst, "is": apart[worst]},
        "times": times,
        "ratio": {
            clock: {
                "a_rung": ratio(("plain", "plain_noop"), ("score",), clock),
                "a_rung_with_the_inputs_lpips_kept": ratio(("plain",), ("score",), clock),
                "once_from_nothing": ratio(("plain", "plain_noop"), ("prepare", "score"), clock),
            }
            for clock in ("seconds", "cpu_seconds")
        },
    }


def growth(rounds: int) -> list[dict[str, float]]:
    """Seconds to score so many prepared pictures."""
    objective = BoundarySharpness("random")
    rows = []
    for count in GROWTH:
        reference = pairs(count)
        restored, scorer = blurred(reference), objective.against(reference)
        found = timed({"score": partial(scorer, restored)}, rounds)["score"]
        each = {f"{name}_each": round(value / count, 5) for name, value in found.items()}
        rows.append({"pictures": count, **found, **each})
    return rows


def write_folder(root: Path, count: int) -> None:
    """`pred`, `target` and `mask` folders of so many pictures."""
    reference = pairs(PAIRS)
    kinds = {
        "pred": as_bytes(blurred(reference)),
        "target": as_bytes(reference.targets),
        "mask": as_bytes(reference.masks.float().expand(-1, 3, -1, -1)),
    }
    for kind, pictures in kinds.items():
        (root / kind).mkdir()
        for number in range(count):
            file = root / kind / f"{number:04d}.png"
            Image.fromarray(pictures[number % PAIRS]).save(file, compress_level=1)


def peak_memory(root: Path) -> int:
    """Peak memory of this process in MiB after scoring the folder."""
    from harness.evaluation.folder_scoring import match_folders, score_files

    files = match_folders(root / "pred", root / "target", root / "mask", None)
    score_files(files, BoundarySharpness("random"))
    return peak_mib()


def memory() -> list[dict[str, int]]:
    """Peak memory by number of files, each in a process of its own."""
    rows = []
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, max_tasks_per_child=1) as pool:
        for count in FOLDERS:
            with tempfile.TemporaryDirectory() as folder:
                write_folder(Path(folder), count)
                peak = pool.submit(peak_memory, Path(folder)).result()
            rows.append({"pictures": count, "peak_mib": peak})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    result = {
        "side": SIDE,
        "beside_the_plain_way": beside_the_plain_way(asked.rounds),
        "growth": growth(asked.rounds),
        "memory": memory(),
    }
    write_result("score", result)


if __name__ == "__main__":
    main()
