"""What tests of searches and of commands share."""

import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from searching import without_mlflow

from harness.cli.app import main
from harness.console.signals import STOP_SIGNALS
from harness.tracking.database import make_database


@pytest.fixture
def in_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """A command in this process, which is quicker: exit code, stdout and stderr."""

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["harness", *words])
        handlers = {number: signal.getsignal(number) for number in STOP_SIGNALS}
        with pytest.raises(SystemExit) as ended:
            main()
        for number, handler in handlers.items():  # a process that is stopped keeps its own
            signal.signal(number, handler)
        code = ended.value.code or 0
        assert isinstance(code, int)
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def unmirrored() -> Iterator[None]:
    """Without MLflow."""
    with without_mlflow():
        yield


@pytest.fixture(scope="session")
def empty_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's database without a run, made once: it takes longer than most tests of it."""
    file = tmp_path_factory.mktemp("empty") / "mlflow.db"
    make_database(file)
    return file


@pytest.fixture
def runs(tmp_path: Path, empty_mlflow: Path) -> Path:
    """A run folder with an MLflow database of its own."""
    folder = tmp_path / "빈 칸 's"
    folder.mkdir()
    shutil.copyfile(empty_mlflow, folder / "mlflow.db")
    return folder
