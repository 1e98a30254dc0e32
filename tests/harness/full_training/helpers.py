"""Helpers for tests of full trainings: configuration, a recording view, comparison of files."""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import torch
import yaml

from harness.cli.app import main
from harness.config.train_config import TrainConfig
from harness.full_training.view import (
    Event,
)
from harness.tracking.client import quiet_client
from tests.harness.portraits import write_best


class RecordingView:
    """A view that records all events."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def show(self, event: Event) -> None:
        self.events.append(event)

    def close(self) -> None:
        pass

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


def make_config(folder: Path, pairs: Path, out: str = "out", **settings: Any) -> TrainConfig:
    file = folder / "best.yaml"
    if not file.exists():
        write_best(file)
    given = {
        "config": file,
        "out": folder / out,
        "data": pairs,
        "direction": "AtoB",  # the disc's edge makes the retouched pictures the sharper ones
        "epochs": 2,
        "epochs_decay": 2,
        "check_every": 1,
        "save_every": 2,
        "weights": "random",
        "device": "cpu",
        "run_dir": os.environ["TRAIN_TEST_RUNS"],
    }
    return TrainConfig.model_validate({**given, **settings})


def die_halfway(folder: Path, words: list[str], environment: dict[str, str]) -> None:
    """Run a command in `folder`, and kill this process halfway through a file of epoch two."""
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = ["harness", *words]
    sys.stdout = sys.stderr = (folder / "printed.txt").open("w", buffering=1)
    save, files = torch.save, 0

    def dying(content: object, file: Path) -> None:
        nonlocal files
        files += 1
        if files == 8:
            file.write_bytes(b"half")
            os.kill(os.getpid(), signal.SIGKILL)
        save(content, file)

    torch.save = dying
    main()


def weights(file: Path) -> dict[str, torch.Tensor]:
    loaded: dict[str, torch.Tensor] = torch.load(file, weights_only=True)
    return loaded


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def mlflow_run(run_dir: Path, out: Path) -> tuple[Any, Any]:
    """The client, and the only run of the training in `out`."""
    client = quiet_client(f"sqlite:///{run_dir / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("portraits")
    assert experiment is not None
    key = yaml.safe_load((out / "training.yaml").read_text())["key"]
    (run,) = client.search_runs([experiment.experiment_id], f"tags.training = '{key}'")
    return client, run


STAGES = [
    {"load_size": 136, "crop_size": 128, "lr": 4e-4, "epochs": 1, "epochs_decay": 0},
    {"load_size": 256, "crop_size": 256, "lr": 1e-4, "epochs": 1, "epochs_decay": 1},
]
