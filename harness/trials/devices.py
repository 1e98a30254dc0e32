"""Which devices train, how many trials each takes, and what a trial needs of a GPU."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from harness.errors import UserInputError
from harness.trials.messages import Memory

CONTEXT = 600 << 20  # bytes of a GPU that a process takes before it allocates anything
USED = 0.9  # of a GPU that packed trials may fill: settings differ in what they need

CUDA_NUMBER = re.compile("[0-9]{1,4}")

R = TypeVar("R")


def resolve_device(wanted: str) -> str:
    """A torch device for `--device auto|cpu|cuda|cuda:N`.

    Raises:
        UserInputError: CUDA is asked for where there is none, or the word is not one device.
    """
    devices = resolve_devices(wanted)
    if len(devices) > 1:
        raise UserInputError(f"--device {wanted} names several devices: one is used here.")
    return devices[0]


def resolve_devices(wanted: str, there: int | None = None) -> tuple[str, ...]:
    """The torch devices for `--device auto|cpu|cuda|cuda:N[,M...]`; `auto` and `cuda` are one.

    Args:
        there: CUDA devices of this machine; None: ask PyTorch.

    Raises:
        UserInputError: CUDA is asked for where there is none, or the words are no devices.
    """
    if there is None:
        import torch

        there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if wanted == "auto":
        wanted = "cuda" if there else "cpu"
    if wanted == "cpu":
        return ("cpu",)
    kind, _, listed = wanted.partition(":")
    indices = listed.split(",") if listed or ":" in wanted else ["0"]
    if kind != "cuda" or not all(map(CUDA_NUMBER.fullmatch, indices)):
        raise UserInputError(f"--device {wanted} is no device: use auto, cpu, cuda or cuda:N[,M].")
    numbers = tuple(dict.fromkeys(int(index) for index in indices))
    if max(numbers) >= there:
        raise UserInputError(
            f"--device {wanted}: PyTorch sees {there} CUDA device(s) here; use --device cpu, or "
            "install a CUDA build of PyTorch with its driver."
        )
    return tuple(f"cuda:{number}" for number in numbers)


@dataclass(frozen=True)
class Slots:
    """How many workers there are.

    Attributes:
        jobs: workers to begin with.
        most: workers that there may be once a GPU trial's memory has been measured; the same as
            `jobs` where the user or the CPU has settled it.
        threads: CPU threads of each.
    """

    jobs: int
    most: int
    threads: int


def share_out(devices: Sequence[str], jobs: int | None, per_gpu: int | None, cores: int) -> Slots:
    """The slots for `--jobs` (None: auto; in all) and `--per-gpu` (None: by measured memory).

    Every worker has a CPU thread of its own at least, so `auto` goes no further than the cores.

    Raises:
        UserInputError: `--per-gpu` without a GPU.
    """
    on_gpu = devices[0] != "cpu"
    if per_gpu is not None and not on_gpu:
        raise UserInputError("--per-gpu is for GPUs, and this search runs on the CPU: use --jobs.")
    if jobs is not None:
        begin = most = jobs if per_gpu is None else min(jobs, per_gpu * len(devices))
    elif per_gpu is not None:
        begin = most = per_gpu * len(devices)
    elif on_gpu:
        begin, most = len(devices), max(len(devices), cores)
    else:
        begin = most = cores
    threads = max(1, cores // most)
    return Slots(begin, most, min(threads, 4) if on_gpu else threads)


def share_out_cluster(
    resources: Mapping[str, float], wanted: str, jobs: int | None, per_gpu: int | None
) -> tuple[str, Slots]:
    """The device and the slots on a Ray cluster with these `CPU` and `GPU` totals.

    A worker takes one CPU, and on GPUs a whole one unless `--per-gpu` says otherwise. With `jobs`
    more than fit now, the rest start when the cluster grows.

    Raises:
        UserInputError: GPUs are asked for where there are none, or one by its number.
    """
    gpus = int(resources.get("GPU", 0))
    if wanted == "auto":
        wanted = "cuda" if gpus else "cpu"
    if wanted not in ("cpu", "cuda"):
        raise UserInputError(f"--device {wanted}: on a cluster Ray chooses the GPU; use cuda.")
    if wanted == "cuda" and not gpus:
        raise UserInputError("--device cuda: the Ray cluster has no GPU; use --device cpu.")
    if wanted == "cpu":
        if per_gpu is not None:
            raise UserInputError("--per-gpu is for GPUs, and this search runs on CPUs: use --jobs.")
        fit = int(resources.get("CPU", 1))
        return "cpu", Slots(jobs or max(1, fit), jobs or max(1, fit), threads=1)
    fit = gpus * (per_gpu or 1)
    return "cuda:0", Slots(jobs or fit, jobs or fit, threads=1)


def trials_that_fit(measured: Sequence[Memory]) -> int:
    """Trials at a time on one GPU, from what trials that ran alone on theirs have needed.

    At least 1: what ran, ran.
    """
    peak = max(memory.peak for memory in measured)
    room = min(memory.room for memory in measured)
    return max(1, int(USED * room / peak))


def with_memory(device: str, run: Callable[[], R]) -> tuple[R, Memory | None]:
    """Run something on a device; what it needed of a GPU. What it held is given back after it,
    so that a worker that waits leaves the GPU to the others.

    It must not keep tensors in what it returns.
    """
    import torch

    if not device.startswith("cuda"):
        return run(), None
    torch.cuda.reset_peak_memory_stats(device)
    try:
        done = run()
        peak = torch.cuda.max_memory_reserved(device)
    finally:
        torch.cuda.empty_cache()
    free, _ = torch.cuda.mem_get_info(device)
    held = torch.cuda.memory_reserved(device) + CONTEXT
    return done, Memory(peak=peak + CONTEXT, room=free + held)
