"""What a study's record says of how it is made: its user attributes."""

import datetime
import platform
import socket
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.config import SearchConfig, TrainSettings, Weights
from harness.paths import RunPaths
from harness.version import __version__
from search_spaces.space import Space

if TYPE_CHECKING:
    from harness.data.prepare import PreparedData
    from objectives.score import Goal

LIBRARIES = ("torch", "torchvision", "optuna", "mlflow", "lpips", "scikit-image")


def facts_of(
    config: SearchConfig,
    space: Space,
    profile: str,
    train: TrainSettings,
    weights: Weights,
    goal: "Goal",
    devices: tuple[str, ...],
    data: "PreparedData",
) -> dict[str, Any]:
    """What the record says of how the study is made."""
    start = "none" if config.from_scratch else "init-from" if config.init_from else "shared"
    return {
        "name": config.study,
        "direction": goal.direction,
        "worst_score": goal.worst,
        "objective": config.objective,
        "trainer": config.trainer,
        "space": space.text,
        "space_name": space.name,
        "profile": profile,
        "train": train.model_dump(mode="json"),
        "data": {
            "digest": data.digest,
            "source": data.source,
            "folder": str(config.data.absolute()) if config.data else None,
            "direction": config.direction,
            "n_train": data.n_train,
            "n_val": data.n_val,
            "n_test": data.n_test,
        },
        "weights": weights,
        "seed": config.seed,
        "sampler": config.sampler,
        "pruner": config.pruner,
        "device": ", ".join(devices),
        "versions": versions(),
        "warm_start": start,
        "warm_start_folder": None if config.from_scratch else str(warm_start_folder(config)),
        "init_from": [str(file.absolute()) for file in config.init_from],
        "budget": config.budget,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "host": socket.gethostname(),
    }


def warm_start_folder(config: SearchConfig) -> Path:
    """Where the study's warm start is kept: exported commands continue from it."""
    return RunPaths(config.run_dir).study(config.study).warm_start.folder.absolute()


def versions() -> dict[str, str]:
    """Of Python, the libraries that make the numbers, and the harness."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "unknown"
    return {**found, "harness": __version__}
