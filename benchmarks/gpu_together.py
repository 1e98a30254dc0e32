"""Several trials at a time on one GPU: by streams, by processes, by processes under MPS."""

import contextlib
import functools
import multiprocessing
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import torch

from benchmarks.gpu_trial import Scene, captured, milliseconds
from harness.training.cuda_graph import CapturedStep

PRECISION = "tf32"
BARRIERS: dict[int, Any] = {}  # in a process of several: where so many of them wait for each other
LONGEST_START = 120  # seconds until all processes have captured their step


def by_streams(scene: Scene) -> Iterator[tuple[int, float]]:
    """Steps a second of all trials together, each replayed on a stream of its own."""
    steps = [captured(scene, PRECISION, False, seed)[0] for seed in range(max(scene.counts))]
    lanes = [torch.cuda.Stream() for _ in steps]  # type: ignore[no-untyped-call]
    for count in scene.counts:

        def act(count: int = count) -> None:
            for lane, step in zip(lanes[:count], steps, strict=False):
                with torch.cuda.stream(lane):
                    step.graph.replay()

        yield count, round(count * 1e3 / milliseconds(act, scene), 1)


def by_processes(scene: Scene) -> Iterator[tuple[int, float]]:
    """The same by processes, each of which waits until all have captured their step.

    Most at a time first: so all start at once, and each captures once.

    Raises:
        Exception: what one of them raised.
    """
    context: Any = multiprocessing.get_context("spawn")
    counts = sorted(scene.counts, reverse=True)
    barriers = {count: context.Barrier(count) for count in counts}
    with ProcessPoolExecutor(counts[0], context, wait_at, (barriers,)) as pool:
        for count in counts:
            yield count, round(sum(pool.map(work, [scene] * count, [count] * count)), 1)


def wait_at(barriers: dict[int, Any]) -> None:
    """A process's start: it keeps where it will wait for the others."""
    BARRIERS.update(barriers)


def work(scene: Scene, count: int) -> float:
    """A process's steps a second while `count` run."""
    with scene.device():
        step = own_step(scene)
        BARRIERS[count].wait(timeout=LONGEST_START)
        return 1e3 / milliseconds(step.graph.replay, scene)


@functools.cache
def own_step(scene: Scene) -> CapturedStep:
    """A process's captured step, the device waited for."""
    step, _ = captured(scene, PRECISION, False)
    torch.cuda.synchronize()
    return step


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
            begun = subprocess.run([control, "-d"], capture_output=True, text=True, timeout=20)
            yield None if begun.returncode == 0 else f"it did not start: {begun.stderr.strip()}"
        finally:
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                subprocess.run([control], input="quit\n", text=True, timeout=20, check=False)
            for name in places:
                os.environ.pop(name, None)
