"""What a search leaves in MLflow: the best generators, and its winner as a version of a model."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from driving import Instant, make_plan
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

import harness.search.search
from harness.console.events import Event, Note
from harness.console.views import QuietView
from harness.search.result import SearchOutcome
from harness.search.stop_signals import StopSwitch
from harness.tracking.client import quiet_client
from harness.tracking.model_registry import Model, keep_weights, register


class Notes(QuietView):
    def __init__(self) -> None:
        self.said: list[str] = []

    def show(self, event: Event) -> None:
        if isinstance(event, Note):
            self.said.append(event.text)


def run(folder: Path, **settings: Any) -> tuple[SearchOutcome, list[str]]:
    view = Notes()
    plan = make_plan(folder, study="fake 'b'", **settings)
    return harness.search.search.run_search(plan, view, StopSwitch(None), Instant), view.said


def files(client: Any, run_id: str, folder: str) -> set[str]:
    return {Path(each.path).name for each in client.list_artifacts(run_id, folder)}


def test_the_winner_becomes_a_version_once(tmp_path: Path) -> None:
    client = quiet_client(f"sqlite:///{tmp_path}/mlflow.db")
    first, said = run(tmp_path, budget=9)
    (parent,) = client.search_runs(["1"], "tags.role = 'study'")
    study = parent.info.run_id
    kept = {file.name for file in first.paths.checkpoints.glob("t*.pth")}
    assert len(kept) == 3
    assert files(client, study, "weights") == kept
    assert client.search_registered_models() == []
    assert not any("model" in sentence for sentence in said)

    # The same command with the wish, on a study that is finished; then once more.
    for _ in range(2):
        _, said = run(tmp_path, budget=9, register_model="blur remover")
        assert said[-1] == "MLflow gets the winner as a version of the model blur remover."
    (version,) = client.search_model_versions("name = 'blur remover'")
    held = yaml.safe_load(first.paths.best_yaml.read_text(encoding="utf-8"))
    assert version.run_id == study
    assert version.tags["trial"] == str(held["trial"]) == str(first.winner)
    assert version.tags["lambda_L1"] == str(held["params"]["lambda_L1"])
    assert "one run" in version.description
    place = Path(client.get_model_version_download_uri("blur remover", "1").removeprefix("file://"))
    assert {file.name for file in place.iterdir()} == {"latest_net_G.pth", "best.yaml"}
    assert (place / "latest_net_G.pth").read_bytes() == b"weights"
    assert (place / "best.yaml").read_bytes() == first.paths.best_yaml.read_bytes()

    later, _ = run(tmp_path, budget=16, finalists=1, repeats=2, register_model="blur remover")
    versions = client.search_model_versions("name = 'blur remover'")
    assert {int(version.version) for version in versions} == {1, 2}
    newest = max(versions, key=lambda version: int(version.version))
    assert newest.tags["confirmed"] == "True"
    assert newest.tags["trial"] == str(later.winner)
    held = yaml.safe_load(later.paths.best_yaml.read_text(encoding="utf-8"))
    leaders = {file.name for file in later.paths.checkpoints.glob("t*_net_G.pth")}
    winner = Path(held["checkpoint"]).name
    assert files(client, study, "weights") == leaders | {winner}
    assert winner not in kept


def test_weights_that_were_uploaded_in_part_are_uploaded_again(tmp_path: Path) -> None:
    stored, file = tmp_path / "stored" / "weights", tmp_path / "t001_net_G.pth"
    stored.mkdir(parents=True)
    (stored / "t000_net_G.pth").write_bytes(b"of a trial that leads no more")
    (stored / file.name).write_bytes(b"wei")
    file.write_bytes(b"weights")
    keep_weights(get_artifact_repository(stored.parent.as_uri()), [file])
    assert [each.name for each in stored.iterdir()] == [file.name]
    assert (stored / file.name).read_bytes() == b"weights"


def test_another_refusal_of_the_registry_is_not_taken_for_a_known_name(tmp_path: Path) -> None:
    class Refuses:
        def get_run(self, run: str) -> Any:
            return type("Run", (), {"info": type("Info", (), {"artifact_uri": "file:///a"})})

        def create_registered_model(self, name: str) -> None:
            raise PermissionError("no")

    with pytest.raises(PermissionError):
        register(
            Refuses(), None, "run", Model("name", tmp_path / "t000_net_G.pth", tmp_path, {}, "")
        )
