"""How near one captured step, and several processes of them, come to what a GPU can do.

    python -m benchmarks.gpu

The two ceilings are measured: the bandwidth of a large copy and the rate of a large bfloat16 matrix
product. A step's operations are counted by torch's own counter on the eager step; its bytes as the
least that a step must move: weights, gradients and Adam's two means read and written. 256 px,
ngf 64, batch 1. Workers: processes that each replay a captured step, steps a second of all
together. Results: `results/gpu.json`.
"""

import argparse
import json
import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.machine import describe_machine
from benchmarks.step import Step, batch, our_step
from harness.profiles import STANDARD
from harness.training.networks import build_discriminator, build_generator

RESULT = Path(__file__).parent / "results" / "gpu.json"
WORKERS = (1, 2, 4)
SECONDS = 8.0


def rate(act: Callable[[], object], seconds: float) -> float:
    """Times a second, after a second of warming up."""
    for limit in (1.0, seconds):
        count, began = 0, time.perf_counter()
        while time.perf_counter() - began < limit:
            for _ in range(10):
                act()
            torch.cuda.synchronize()
            count += 10
        found = count / (time.perf_counter() - began)
    return found


def ready(precision: str, captured: bool) -> tuple[Step, Callable[[], object]]:
    settings = STANDARD.but({"precision": precision})
    step, pair = our_step(settings, "cuda", captured), batch(settings, "cuda")
    return step, lambda: step(*pair)


def work(_: int) -> float:
    """A worker's steps a second while the others run."""
    return rate(ready("bfloat16", True)[1], SECONDS)


def ceilings() -> dict[str, float]:
    """Bytes a second of a copy (read and written), and operations a second of a product."""
    large = torch.empty(1 << 30, dtype=torch.uint8, device="cuda")
    other = torch.empty_like(large)
    a = torch.randn(8192, 8192, dtype=torch.bfloat16, device="cuda")
    return {
        "copy": 2 * large.numel() * rate(lambda: other.copy_(large), 2.0),
        "matmul": 2 * 8192**3 * rate(lambda: a @ a, 2.0),
    }


def main() -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    if not torch.cuda.is_available():
        raise SystemExit("This benchmark needs a CUDA device.")
    most = ceilings()
    with FlopCounterMode(display=False) as counter:
        ready("float32", False)[1]()
    nets = (build_generator(STANDARD, 0), build_discriminator(STANDARD, 3, 1))
    weights = sum(value.numel() for net in nets for value in net.parameters())
    # Forwards and backwards read the weights and write gradients; Adam reads four and writes three.
    moved = 4 * weights * (3 + 7)
    held: dict[str, object] = {
        "machine": describe_machine("cuda"),
        "ceilings": {"copy_tb_s": most["copy"] / 1e12, "matmul_tflop_s": most["matmul"] / 1e12},
        "step": {"gflop": counter.get_total_flops() / 1e9, "least_mb": moved / 1e6},
    }
    for precision in ("float32", "bfloat16"):
        for captured in (False, True):
            per_second = rate(ready(precision, captured)[1], SECONDS)
            held[f"{'graph' if captured else 'eager'} {precision}"] = {
                "steps_a_second": round(per_second, 1),
                "of_matmul": round(counter.get_total_flops() * per_second / most["matmul"], 4),
                "of_copy": round(moved * per_second / most["copy"], 4),
            }
    together = {}
    for count in WORKERS:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(count, mp_context=context) as pool:
            together[count] = round(sum(pool.map(work, range(count))), 1)
    held["steps_a_second_of_workers"] = together
    RESULT.parent.mkdir(exist_ok=True)
    text = json.dumps(held, indent=1)
    RESULT.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
