"""Shared by the benchmarks: peers measured in turns, results headed by the machine."""

import datetime
import json
import os
import platform
import re
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import torch

RESULTS = Path(__file__).parent / "results"

T = TypeVar("T")


def in_turns(acts: Mapping[str, Callable[[], T]], rounds: int) -> dict[str, list[T]]:
    """The results of each act, one per round. Acts alternate, so a slow minute slows them all."""
    found: dict[str, list[T]] = {name: [] for name in acts}
    for _ in range(rounds):
        for name, act in acts.items():
            found[name].append(act())
    return found


def write_result(name: str, found: Mapping[str, Any], device: str = "cpu") -> None:
    """Write `results/NAME.json`, headed by the machine; printed too."""
    print(save_result(name, {"machine": describe_machine(device), **found}), end="")


def save_result(name: str, found: Mapping[str, Any]) -> str:
    """Write `results/NAME.json` as it is; returns the text."""
    text = as_text(found)
    RESULTS.mkdir(exist_ok=True)
    result_file(name).write_text(text, encoding="utf-8")
    return text


def as_text(found: Mapping[str, Any]) -> str:
    """JSON to be read and compared by lines: a list or an object of plain values takes one."""

    def joined(values: re.Match[str]) -> str:
        return re.sub(r"\n *", " ", values[0]).replace("[ ", "[").replace(" ]", "]")

    return re.sub(r"[\[{]\n[^\[\]{}]*\n *[\]}]", joined, json.dumps(found, indent=1)) + "\n"


def resume_result(
    name: str,
    made: Mapping[str, Any],
    refuse: Callable[[str], NoReturn],
    device: str = "cpu",
) -> dict[str, Any]:
    """The content of `results/NAME.json`, to which a benchmark adds runs, headed by this machine.

    Args:
        made: conditions of the runs, which are entries of the file.
        refuse: called with a sentence if the existing runs have other conditions.
    """
    file = result_file(name)
    kept: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    if kept and {key: kept.get(key) for key in made} != made:
        refuse(f"{file} holds runs made otherwise: move it away, or give another --name")
    return {"machine": None} | kept | {"machine": describe_machine(device), **made}


def result_file(name: str) -> Path:
    return RESULTS / f"{name}.json"


def peak_mib() -> int:
    """The peak memory of this process (Linux). ru_maxrss would include that of its parent."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) // 1024


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
