"""A study's metadata, stored as its user attributes: how its trials are run and scored."""

import datetime
import platform
import socket
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from harness.config.settings import External, Program, SearchConfig, TrainSettings, Weights
from harness.config.version import __version__
from harness.paths import RunPaths
from harness.study.constraints import MARGINS
from harness.study.pareto import OBJECTIVES
from search_spaces.space import Space

if TYPE_CHECKING:
    from harness.data.pairs.prepare import PreparedData
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
    """The metadata of a new study, except those of its warm start and trainer."""
    return {
        "name": config.study,
        "direction": goal.direction,
        "worst_score": goal.worst,
        "objective": config.objective,
        "objectives": OBJECTIVES if config.pareto else None,
        "guards": MARGINS,
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
        "pinned": {},
        "weights": weights,
        "seed": config.seed,
        "sampler": config.sampler,
        "pruner": config.pruner,
        "device": ", ".join(devices),
        "versions": versions(),
        "budget": config.budget,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "host": socket.gethostname(),
    }


def facts_of_start(config: SearchConfig, start: str) -> dict[str, Any]:
    """Metadata on the warm start of trials, from which exported commands continue."""
    folder = RunPaths(config.run_dir).study(config.study).warm_start.folder.absolute()
    return {
        "warm_start": start,
        "warm_start_folder": None if start == "none" else str(folder),
        "init_from": [str(file.absolute()) for file in config.init_from],
    }


def facts_of_trainer(config: SearchConfig, external: External | None) -> dict[str, Any]:
    """Metadata on the trainer, from which exported commands are built."""
    if not isinstance(external, Program):
        return {
            "trainer": config.trainer,
            "program": None,
            "repository": external and external.model_dump(mode="json", exclude={"silence"}),
        }
    paths = RunPaths(config.run_dir).study(config.study).external
    return {
        "trainer": config.trainer,
        "repository": None,
        "program": {
            "file": str(external.file),
            "folder": str(external.folder),
            "command": list(external.command),
            "pairs": str(paths.pairs.absolute()),
            "inputs": str(paths.inputs("search").absolute()),
        },
    }


def versions() -> dict[str, str]:
    """Versions of Python, of the libraries that affect results, and of the harness."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "unknown"
    return {**found, "harness": __version__}
