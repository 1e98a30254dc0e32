"""What a study leaves in MLflow at its end: files, the best generators, and a model version.

A version of a registered model is a folder with `latest_net_G.pth`, the winner's weights (a
state_dict, loadable with `weights_only=True` and by pix2pix itself), and its `best.yaml`. MLflow's
own `log_model` would pickle the network.
"""

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WEIGHTS = "weights"
MODELS = "models"
TAKEN = "RESOURCE_ALREADY_EXISTS"


@dataclass(frozen=True)
class Model:
    """The winner, to be registered.

    Attributes:
        name: of the registered model.
        weights: the generator's file.
        config: its best.yaml.
    """

    name: str
    weights: Path
    config: Path
    tags: Mapping[str, str]
    description: str


@dataclass(frozen=True)
class Left:
    """What a search leaves behind.

    Attributes:
        best: number of the trial that best.yaml holds; None where there is none.
        note: the study's description, Markdown.
        files: of the study.
        weights: its best generators.
        model: None: nothing is registered.
    """

    best: int | None
    note: str
    files: Sequence[Path] = ()
    weights: Sequence[Path] = ()
    model: Model | None = None


def keep_weights(artifacts: Any, files: Sequence[Path]) -> None:
    """The best generators among a run's artifacts, and none that are among them no more.

    Args:
        artifacts: the artifact repository of the study's own run.
    """
    there = {each.path: each.file_size for each in artifacts.list_artifacts(WEIGHTS)}
    wanted = {f"{WEIGHTS}/{file.name}": file for file in files}
    for path in there.keys() - wanted.keys():
        artifacts.delete_artifacts(path)
    for path, file in wanted.items():
        if there.get(path) != file.stat().st_size:
            artifacts.log_artifact(str(file), WEIGHTS)


def register(client: Any, artifacts: Any, run: str, model: Model) -> None:
    """A version of the model from the winner's weights, once for each winner of a study.

    Args:
        client: an MlflowClient.
        artifacts: the run's artifact repository.
        run: the study's; it holds the version's files.
    """
    folder = f"{MODELS}/{model.weights.name.removesuffix('_net_G.pth')}"
    source = f"{client.get_run(run).info.artifact_uri}/{folder}"
    try:
        client.create_registered_model(model.name)
    except Exception as error:
        if getattr(error, "error_code", "") != TAKEN:
            raise
    known = client.search_model_versions(f"name = '{model.name}'")
    if any(version.source == source for version in known):
        return
    with tempfile.TemporaryDirectory() as place:
        shutil.copyfile(model.weights, Path(place) / "latest_net_G.pth")
        shutil.copyfile(model.config, Path(place) / "best.yaml")
        artifacts.log_artifacts(place, folder)
    client.create_model_version(
        model.name, source, run, tags=dict(model.tags), description=model.description
    )
