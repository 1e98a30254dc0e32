"""Devices for training, the number of workers on each, and the GPU memory that a trial needs."""

import os
import re
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from harness.errors import UserInputError
from harness.trials.messages import Memory
from reports.texts.numbers import quantity

CUDA_CONTEXT = 600 << 20  # bytes of GPU memory that a process takes before its first allocation

CUDA_NUMBER = re.compile("[0-9]{1,4}")

R = TypeVar("R")


def resolve_device(option: str) -> str:
    """The torch device for `--device auto|cpu|cuda|cuda:N`.

    Raises:
        UserInputError: the option is not one device, or asks for CUDA where there is none.
    """
    devices = resolve_devices(option)
    if len(devices) > 1:
        raise UserInputError(f"--device {option} names several devices: one is used here.")
    return devices[0]


def resolve_devices(option: str, available: int | None = None) -> tuple[str, ...]:
    """The torch devices for `--device auto|cpu|cuda|cuda:N[,M...]`; `auto` and `cuda` give one.

    Args:
        available: number of CUDA devices of this machine; None: ask PyTorch.

    Raises:
        UserInputError: the option is not valid, or asks for a CUDA device that does not exist.
    """
    if available is None:
        import torch

        available = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if option == "auto":
        option = "cuda" if available else "cpu"
    if option == "cpu":
        return ("cpu",)
    device_type, _, listed = option.partition(":")
    indices = listed.split(",") if listed or ":" in option else ["0"]
    if device_type != "cuda" or not all(map(CUDA_NUMBER.fullmatch, indices)):
        raise UserInputError(
            f"--device {option} is not a device: use auto, cpu, cuda or cuda:N[,M]."
        )
    numbers = tuple(dict.fromkeys(int(index) for index in indices))
    if max(numbers) >= available:
        raise UserInputError(
            f"--device {option}: PyTorch sees {quantity(available, 'CUDA device')} here; use "
            "--device cpu, or install a CUDA build of PyTorch with its driver."
        )
    return tuple(f"cuda:{number}" for number in numbers)


def visible_device(device: str) -> str:
    """`CUDA_VISIBLE_DEVICES` for a program that is to see this device alone; empty for the CPU.

    PyTorch numbers the devices that are visible to this process. If the variable is set already, it
    lists these by their number on the machine, by their UUID, or by that of a MIG instance.
    """
    device_type, _, index = device.partition(":")
    if device_type == "cpu":
        return ""
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if listed is None:
        return index or "0"
    return listed.split(",")[int(index or 0)].strip()


def place_of(device: str) -> str:
    """Identifies the machine and the device: processes at the same place share its memory."""
    return f"{socket.gethostname()} {visible_device(device) or 'cpu'}"


def mps_is_running() -> bool:
    """Whether NVIDIA's multi-process service runs here; without it, processes take turns."""
    folder = os.environ.get("CUDA_MPS_PIPE_DIRECTORY", "/tmp/nvidia-mps")
    return (Path(folder) / "control").exists()


@dataclass(frozen=True)
class Slots:
    """The number of workers.

    Attributes:
        jobs: workers at the start.
        most: the limit up to which workers are added once the memory of a GPU trial is known;
            equal to `jobs` if the user or the number of CPU cores decides.
        threads: CPU threads of each worker.
    """

    jobs: int
    most: int
    threads: int


def allocate_slots(
    devices: Sequence[str],
    jobs: int | None,
    per_gpu: int | None,
    cores: int,
    concurrent: bool = False,
) -> Slots:
    """The slots for `--jobs` (total; None: auto) and `--per-gpu` (None: auto).

    `auto` starts one worker per GPU and, if several processes can use a GPU at the same time, later
    adds as many as fit its memory. Every worker needs at least one CPU thread, so `auto` does not
    exceed the number of cores.

    Args:
        concurrent: whether several processes can use a GPU at the same time (under MPS).

    Raises:
        UserInputError: `--per-gpu` without a GPU.
    """
    on_gpu = devices[0] != "cpu"
    if per_gpu is not None and not on_gpu:
        raise UserInputError("--per-gpu is for GPUs, and this search runs on the CPU: use --jobs.")
    if jobs is not None:
        start = most = jobs if per_gpu is None else min(jobs, per_gpu * len(devices))
    elif per_gpu is not None:
        start = most = per_gpu * len(devices)
    elif on_gpu:
        start = len(devices)
        most = max(start, cores) if concurrent else start
    else:
        start = most = cores
    threads = max(1, cores // most)
    return Slots(start, most, min(threads, 4) if on_gpu else threads)


def allocate_cluster_slots(
    resources: Mapping[str, float], option: str, jobs: int | None, per_gpu: int | None
) -> tuple[str, Slots]:
    """The device and the slots on a Ray cluster with these `CPU` and `GPU` totals.

    A worker takes one CPU, and one whole GPU unless `--per-gpu` is given. Workers that do not fit
    now start when the cluster grows.

    Raises:
        UserInputError: `--device` asks for GPUs where there are none, or for one by its number.
    """
    gpus = int(resources.get("GPU", 0))
    if option == "auto":
        option = "cuda" if gpus else "cpu"
    if option not in ("cpu", "cuda"):
        raise UserInputError(f"--device {option}: on a cluster Ray chooses the GPU; use cuda.")
    if option == "cuda" and not gpus:
        raise UserInputError("--device cuda: the Ray cluster has no GPU; use --device cpu.")
    if option == "cpu":
        if per_gpu is not None:
            raise UserInputError("--per-gpu is for GPUs, and this search runs on CPUs: use --jobs.")
        fit = int(resources.get("CPU", 1))
        return "cpu", Slots(jobs or max(1, fit), jobs or max(1, fit), threads=1)
    fit = gpus * (per_gpu or 1)
    return "cuda:0", Slots(jobs or fit, jobs or fit, threads=1)


def trials_that_fit(measured: Sequence[Memory]) -> int:
    """How many trials one GPU can run concurrently, from trials that each ran alone on a GPU.

    At least 1, since the measured trials did run.
    """
    peak = max(memory.peak for memory in measured)
    room = min(memory.room for memory in measured)
    return max(1, room // peak)


def measure_memory(device: str, run: Callable[[], R]) -> tuple[R, Memory | None]:
    """Run a function on a device and measure its GPU memory (None on a CPU).

    Cached memory is released afterwards, so that an idle worker does not occupy the GPU. The result
    must not contain tensors.
    """
    if not device.startswith("cuda"):
        return run(), None
    import torch

    from harness.training.cuda_graph import MIN_FREE_SHARE

    torch.cuda.reset_peak_memory_stats(device)
    try:
        result = run()
        peak = torch.cuda.max_memory_reserved(device)
    finally:
        torch.cuda.empty_cache()
    free, total = torch.cuda.mem_get_info(device)
    own = torch.cuda.memory_reserved(device) + CUDA_CONTEXT
    return result, Memory(peak=peak + CUDA_CONTEXT, room=free + own - round(MIN_FREE_SHARE * total))
