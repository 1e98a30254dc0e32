"""Folders and pairs for trainings, and one finished training."""

from pathlib import Path

import pytest

from harness.full_training.train import train_fully
from tests.harness.full_training.helpers import RecordingView, make_config
from tests.harness.portraits import write_pairs


@pytest.fixture(scope="session")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One MLflow store and one cache for all tests: creating them is slower than a training."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(autouse=True)
def places(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_places(run_dir, monkeypatch)


def set_places(run_dir: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("HARNESS_CACHE", str(run_dir / "cache"))
    patch.setenv("TRAIN_TEST_RUNS", str(run_dir))


@pytest.fixture(scope="session")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pairs(tmp_path_factory.mktemp("pairs"))


@pytest.fixture(scope="session")
def finished(
    tmp_path_factory: pytest.TempPathFactory, run_dir: Path, pairs: Path
) -> tuple[Path, RecordingView]:
    """A training of four epochs that ran to the end."""
    folder = tmp_path_factory.mktemp("finished")
    view = RecordingView()
    with pytest.MonkeyPatch.context() as patch:
        set_places(run_dir, patch)
        outcome = train_fully(make_config(folder, pairs), view)
    assert outcome.ended == "finished"
    return folder / "out", view
