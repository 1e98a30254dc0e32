"""What the benchmarks share: peers measured in turns, results with the machine that made them."""

import datetime
import json
import os
import platform
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import torch

RESULTS = Path(__file__).parent / "results"

T = TypeVar("T")


def in_turns(acts: Mapping[str, Callable[[], T]], rounds: int) -> dict[str, list[T]]:
    """Each act's returns, one a round: the acts alternate, so that a slow minute slows them all."""
    found: dict[str, list[T]] = {name: [] for name in acts}
    for _ in range(rounds):
        for name, act in acts.items():
            found[name].append(act())
    return found


def write_result(name: str, found: Mapping[str, Any], device: str = "cpu") -> None:
    """Write `results/NAME.json`, headed by the machine; printed too."""
    text = json.dumps({"machine": describe_machine(device), **found}, indent=1)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    print(text)


def describe_machine(device: str) -> dict[str, str | int]:
    """Device, cores, CPU threads, versions and date."""
    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else cpu_name()
    return {
        "device": name,
        "cores": os.cpu_count() or 1,
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": version("torchvision"),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def cpu_name() -> str:
    """The processor as Linux names it, else as Python does."""
    try:
        with open("/proc/cpuinfo") as file:
            names = [line.split(":")[1].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()
