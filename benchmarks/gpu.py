"""What a GPU makes of trials: step rates, their share of what it can do, several workers on it.

    python -m benchmarks.gpu

256 px, ngf 64, batch 1. `reference` is pix2pix's own step, eager and float32; the others are the
harness's. The two ceilings are measured: the bandwidth of a large copy and the rate of a large
bfloat16 matrix product. A step's operations are counted by torch's own counter on the eager step;
its bytes as the least that a step must move: weights, gradients and Adam's two means read and
written. Workers: processes that each replay a captured step at the same time, with and without
NVIDIA's multi-process service (MPS) where it can be started. `trials_an_hour` are steps an hour
over a standard trial's steps: without scoring and start-up, of which the plain loop has more.

Under ten minutes; prints one table. Results: `results/gpu.json`.
"""

import argparse
import contextlib
import multiprocessing
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.scaffold import write_result
from benchmarks.step import Step, batch, our_step, reference_step
from harness.config.profiles import STANDARD
from harness.training.networks import build_discriminator, build_generator

WORKERS = (1, 2, 4, 8)
SECONDS = 6.0
WAYS = {
    "reference": ("float32", None),
    "eager float32": ("float32", False),
    "eager bfloat16": ("bfloat16", False),
    "graph float32": ("float32", True),
    "graph bfloat16": ("bfloat16", True),
}


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


def ready(precision: str, captured: bool | None) -> Callable[[], object]:
    """A step to be repeated; `captured` None: the reference's."""
    settings = STANDARD.but({"precision": precision})
    step: Step
    if captured is None:
        step = reference_step(settings, "cuda", perceptual=False)
    else:
        step = our_step(settings, "cuda", captured)
    pair = batch(settings, "cuda")
    return lambda: step(*pair)


def wait_for_all(barrier: Any) -> None:
    """A worker's start: it keeps what they all wait at."""
    global all_ready
    all_ready = barrier


def work(precision: str) -> float:
    """A worker's steps a second while the others run."""
    act = ready(precision, True)
    act()
    torch.cuda.synchronize()
    all_ready.wait(timeout=120)
    return rate(act, SECONDS)


def together(precision: str) -> dict[int, float | str]:
    """Steps a second of so many workers at once; what went wrong where they could not run."""
    found: dict[int, float | str] = {}
    context = multiprocessing.get_context("spawn")
    for count in WORKERS:
        given = (context.Barrier(count),)
        try:
            with ProcessPoolExecutor(count, context, wait_for_all, given) as pool:
                found[count] = round(sum(pool.map(work, [precision] * count)), 1)
        except Exception as error:
            found[count] = f"{type(error).__name__}: {error}".splitlines()[0]
    return found


@contextlib.contextmanager
def multi_process_service() -> Iterator[str | None]:
    """MPS for the processes that are started inside; yields why there is none, else None."""
    control = shutil.which("nvidia-cuda-mps-control")
    if control is None:
        yield "nvidia-cuda-mps-control is not installed"
        return
    with tempfile.TemporaryDirectory() as made:
        places = {"CUDA_MPS_PIPE_DIRECTORY": made, "CUDA_MPS_LOG_DIRECTORY": made}
        os.environ.update(places)
        try:
            begun = subprocess.run([control, "-d"], capture_output=True, text=True, timeout=60)
            yield None if begun.returncode == 0 else f"it did not start: {begun.stderr.strip()}"
        finally:
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                subprocess.run([control], input="quit\n", text=True, timeout=60, check=False)
            for name in places:
                os.environ.pop(name, None)


def ceilings() -> dict[str, float]:
    """Bytes a second of a copy (read and written), and operations a second of a product."""
    large = torch.empty(1 << 30, dtype=torch.uint8, device="cuda")
    other = torch.empty_like(large)
    a = torch.randn(8192, 8192, dtype=torch.bfloat16, device="cuda")
    return {
        "copy": 2 * large.numel() * rate(lambda: other.copy_(large), 2.0),
        "matmul": 2 * 8192**3 * rate(lambda: a @ a, 2.0),
    }


def counted() -> dict[str, float]:
    """A step's floating-point operations, and the least bytes that it moves."""
    act = ready("float32", False)
    with FlopCounterMode(display=False) as counter:
        act()
    nets = (build_generator(STANDARD, 0), build_discriminator(STANDARD, 3, 1))
    weights = sum(value.numel() for net in nets for value in net.parameters())
    # Forwards and backwards read the weights and write gradients; Adam reads four and writes three.
    return {"operations": counter.get_total_flops(), "bytes": 4 * weights * (3 + 7)}


def main() -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    if not torch.cuda.is_available():
        raise SystemExit("This benchmark needs a CUDA device.")
    most, step = ceilings(), counted()
    torch.cuda.empty_cache()
    rates = {}
    for name, way in WAYS.items():
        rates[name] = rate(ready(*way), SECONDS)
        torch.cuda.empty_cache()
    steps = {
        name: {
            "steps_a_second": round(per_second, 1),
            "of_reference": round(per_second / rates["reference"], 2),
            "of_matmul": round(step["operations"] * per_second / most["matmul"], 4),
            "of_copy": round(step["bytes"] * per_second / most["copy"], 4),
        }
        for name, per_second in rates.items()
    }
    workers: dict[str, Any] = {p: {"alone": together(p)} for p in ("float32", "bfloat16")}
    with multi_process_service() as refused:
        for precision, row in workers.items():
            row["with_mps"] = refused or together(precision)
    held = {
        "ceilings": {"copy_tb_s": most["copy"] / 1e12, "matmul_tflop_s": most["matmul"] / 1e12},
        "step": {"gflop": step["operations"] / 1e9, "least_mb": step["bytes"] / 1e6},
        "steps": steps,
        "steps_a_second_of_workers": workers,
        "trials_an_hour": trials_an_hour(rates["reference"], workers),
    }
    write_result("gpu", held, "cuda")
    print(table(held))


def trials_an_hour(reference: float, workers: dict[str, Any]) -> dict[str, Any]:
    """The plain loop's, and those of the best number of workers in each precision."""
    each = 3600 / STANDARD.steps
    found: dict[str, Any] = {"plain": round(reference * each)}
    for precision, row in workers.items():
        rates = [
            value
            for held in row.values()
            if isinstance(held, dict)
            for value in held.values()
            if isinstance(value, float)
        ]
        best = max(rates, default=0.0)
        found[precision] = round(best * each)
        found[f"{precision} of plain"] = round(best / reference, 2)
    return found


def table(held: dict[str, Any]) -> str:
    """Everything in one table."""
    lines = [f"{'':<38}{'steps/s':>9}{'x':>8}{'matmul':>9}{'copy':>8}"]
    for name, row in held["steps"].items():
        lines.append(
            f"{name:<38}{row['steps_a_second']:>9}{row['of_reference']:>8}"
            f"{row['of_matmul']:>9.1%}{row['of_copy']:>8.1%}"
        )
    for precision, ways in held["steps_a_second_of_workers"].items():
        for way, found in ways.items():
            rows = found.items() if isinstance(found, dict) else [("any", found)]
            for count, value in rows:
                lines.append(f"{f'{count} workers, {precision}, {way}':<38}{value:>9}")
    told = ", ".join(f"{name} {value}" for name, value in held["trials_an_hour"].items())
    lines.append(f"trials an hour: {told}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
