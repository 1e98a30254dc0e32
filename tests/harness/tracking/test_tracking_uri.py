"""Which store is named: what cannot be one is refused, passwords are hidden, proxies passed by."""

import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from driving import make_plan
from mirroring import study_store
from sqlalchemy.exc import OperationalError

from harness.config.settings import SearchConfig
from harness.errors import UserInputError
from harness.tracking.client import (
    UnavailableError,
    bypass_proxies,
    check_tracking_uri,
    ignored_variable,
    quiet_client,
)


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        (
            "./mlruns",
            r"\./mlruns is a folder, and MLflow 3 keeps no runs in folders: name a server",
        ),
        ("mlruns", "is a folder"),
        ("file:///tmp/mlruns", "is a folder"),
        ("", "--tracking-uri is empty: name a server"),
        ("foo://host", "foo://host is no kind of address that MLflow knows"),
        ("postgres://bob:s3cret@host/db", "is no kind of address that MLflow knows"),
        ("http:/host", "names no host"),
        ("mysql+nodriver://bob:s3cret@host/db", r"cannot be used \(NoSuchModuleError: "),
    ],
)
def test_what_mlflow_cannot_keep_runs_in_is_refused(uri: str, why: str) -> None:
    with pytest.raises(UserInputError, match=why) as refused:
        check_tracking_uri(uri)
    assert "s3cret" not in str(refused.value)
    assert str(refused.value).startswith("--tracking-uri")


@pytest.mark.parametrize(
    "uri", ["http://127.0.0.1:5000", "https://bob:pw@host/mlflow", "sqlite:///a.db", "databricks"]
)
def test_other_stores_are_not(uri: str) -> None:
    check_tracking_uri(uri)


def test_a_folder_is_taken_where_the_user_has_mlflow_take_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for word in ("true", "True", "1"):
        monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", word)
        check_tracking_uri("./mlruns")


def test_a_variable_that_is_not_used_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert ignored_variable(None) == ()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://bob:s3cret@host:5000")
    assert ignored_variable("sqlite:///a.db") == ()
    (remark,) = ignored_variable(None)
    assert "MLFLOW_TRACKING_URI is set (http://" in remark
    assert "@host:5000) but not used" in remark
    assert '--tracking-uri "$MLFLOW_TRACKING_URI"' in remark
    assert "s3cret" not in remark


def test_the_registry_is_that_of_the_run_folder_whatever_is_set(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", "sqlite:////nowhere/registry.db")
    uri = f"sqlite:///{runs}/mlflow.db"
    assert quiet_client(uri)._registry_uri == uri


def test_a_database_that_does_not_open_is_not_tried_for_minutes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.store.db import utils

    slept: list[float] = []
    monkeypatch.setattr(utils.time, "sleep", slept.append)
    with pytest.raises(OperationalError, match="unable to open database file"):
        quiet_client(f"sqlite:///{tmp_path}")  # a folder
    assert 0 < sum(slept) < 1


class Answering(BaseHTTPRequestHandler):
    """An MLflow that has no experiment."""

    def do_POST(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"experiments": []}')

    def log_message(self, format: str, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    made = HTTPServer(("127.0.0.1", 0), Answering)
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield f"127.0.0.1:{made.server_port}"
    made.shutdown()
    thread.join()
    made.server_close()


def behind_a_proxy(monkeypatch: pytest.MonkeyPatch, without: str) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody listens there
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, without)


def test_a_server_of_this_machine_is_asked_without_a_proxy(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    behind_a_proxy(monkeypatch, "intranet")
    assert list(quiet_client(f"http://{server}").search_experiments()) == []
    assert os.environ["no_proxy"] == os.environ["NO_PROXY"] == "intranet,localhost,127.0.0.1,::1"
    bypass_proxies(f"http://{server}")
    assert os.environ["no_proxy"] == "intranet,localhost,127.0.0.1,::1"


def test_other_servers_are_asked_as_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    behind_a_proxy(monkeypatch, "intranet")
    bypass_proxies("http://mlflow.example.com")
    assert os.environ["no_proxy"] == "intranet"


def test_files_of_a_named_database_lie_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLflow itself would put them into the folder that the search was started in."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    (tmp_path / "team").mkdir()
    store = study_store(tmp_path)
    store.uri, store.artifacts = f"sqlite:///{tmp_path}/team/mlflow.db", None
    store.open(pytest.fail)
    found = store.client.get_experiment(store.experiment).artifact_location
    assert found == (tmp_path / "team" / "mlflow-artifacts").as_uri()
    assert not list((tmp_path / "elsewhere").iterdir())


def test_mlflows_sentence_is_shown_without_the_password(tmp_path: Path) -> None:
    store = study_store(tmp_path)
    store.uri, store.artifacts = "http://bob:s3cret@127.0.0.1:9", None
    with pytest.raises(UnavailableError, match=r"^nothing answers at 127\.0\.0\.1:9$") as away:
        store.open(pytest.fail)
    assert "s3cret" not in str(away.value)


def test_a_search_refuses_a_folder_before_it_begins(tmp_path: Path) -> None:
    from harness.search.plan import plan_search

    config = SearchConfig(run_dir=tmp_path, tracking_uri="./mlruns", budget=1)
    with pytest.raises(UserInputError, match="is a folder"):
        plan_search(config)
    assert not list(make_plan(tmp_path).run_paths.root.iterdir())
