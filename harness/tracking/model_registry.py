"""A study's results in MLflow: files, the weights of the best generators, and a model version.

A model version is a folder with `latest_net_G.pth`, the winner's weights (a state_dict that
`weights_only=True` and pix2pix itself can load), and its `best.yaml`. MLflow's own `log_model`
would pickle the network.
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
    """The winner, to be registered as a model version.

    Attributes:
        name: name of the registered model.
        weights: file with the generator's weights.
        config: its best.yaml.
    """

    name: str
    weights: Path
    config: Path
    tags: Mapping[str, str]
    description: str


@dataclass(frozen=True)
class SearchResults:
    """The results of a search.

    Attributes:
        best: number of the trial in best.yaml; None if there is none.
        note: description of the study, in Markdown.
        files: result files to upload.
        weights: weights of the best generators.
        model: the model to register; None: none.
    """

    best: int | None
    note: str
    files: Sequence[Path] = ()
    weights: Sequence[Path] = ()
    model: Model | None = None


def keep_weights(artifacts: Any, files: Sequence[Path]) -> None:
    """Sync the weights among a run's artifacts with `files`: upload new ones, delete the others.

    Args:
        artifacts: the artifact repository of the study's own run.
    """
    stored = {each.path: each.file_size for each in artifacts.list_artifacts(WEIGHTS)}
    current = {f"{WEIGHTS}/{file.name}": file for file in files}
    for path in stored.keys() - current.keys():
        artifacts.delete_artifacts(path)
    for path, file in current.items():
        if stored.get(path) != file.stat().st_size:
            artifacts.log_artifact(str(file), WEIGHTS)


def register(client: Any, artifacts: Any, run: str, model: Model) -> None:
    """Register the winner's weights as a model version, once per winner of a study.

    Args:
        client: an MlflowClient.
        artifacts: the run's artifact repository.
        run: id of the study's own run, which stores the version's files.
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
    with tempfile.TemporaryDirectory() as copies:
        shutil.copyfile(model.weights, Path(copies) / "latest_net_G.pth")
        shutil.copyfile(model.config, Path(copies) / "best.yaml")
        artifacts.log_artifacts(copies, folder)
    client.create_model_version(
        model.name, source, run, tags=dict(model.tags), description=model.description
    )
