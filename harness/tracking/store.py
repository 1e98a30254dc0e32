"""Runs in an MLflow store. The only file that imports MLflow."""

import io
import logging
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_OID, uuid5

from harness.tracking.deliveries import RefusedError
from harness.tracking.outbox import Entry, now

if TYPE_CHECKING:
    from mlflow import MlflowClient

SQLITE = "sqlite:///"
PANEL = "panel"
THUMBNAIL = 256  # pixels: the longer side of what MLflow's grid of pictures shows
METRICS_AT_ONCE = 1000  # MLflow takes no more
RUNNING = "RUNNING"


@dataclass(frozen=True)
class Ending:
    """How a run ends: MLflow's status, our word for it, and why."""

    status: str
    state: str
    reason: str = ""

    @property
    def tags(self) -> dict[str, str]:
        return {"state": self.state, "reason": self.reason}


def load_client() -> "type[MlflowClient]":
    """MLflow's client without its chatter, its telemetry and its minutes of retries."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    from mlflow import MlflowClient

    for name in ("mlflow", "alembic", "urllib3"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return MlflowClient


def quiet_client(uri: str) -> "MlflowClient":
    """A client of the store at `uri`, which is opened, and made where it is a new file."""
    return load_client()(tracking_uri=uri)


def make_database(file: Path) -> None:
    """MLflow's database in a file, whole or not at all: it never mends one that is half made."""
    for left in file.parent.glob(f".{file.name}.*"):
        shutil.rmtree(left, ignore_errors=True)
    # By a name that was never used: MLflow goes on with what it once opened under a name.
    with tempfile.TemporaryDirectory(prefix=f".{file.name}.", dir=file.parent) as folder:
        aside = Path(folder) / file.name
        quiet_client(f"{SQLITE}{aside}")
        with closing(sqlite3.connect(aside)) as made:
            made.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        aside.replace(file)
    with closing(sqlite3.connect(file)) as made:
        made.execute("PRAGMA journal_mode=WAL")  # readers never wait


@dataclass
class MlflowStore:
    """Runs of one experiment. Every method may raise when the store is away.

    Attributes:
        artifacts: where a new experiment keeps its files; None: where the server does.
        opening: held while the store is opened, as one process at a time may make a database.
        runs: MLflow's ids of the runs that are known, by our names.
    """

    uri: str
    experiment_name: str
    artifacts: Path | None
    opening: Callable[[], AbstractContextManager[Any]] = nullcontext
    client: "MlflowClient" = field(init=False)
    experiment: str = ""
    runs: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Here and not where the store is opened, which may be in a thread: to import a large
        # package while another thread imports what it imports too is asking for trouble.
        load_client()

    def open(self) -> None:
        """Find or make the experiment."""
        with self.opening():
            if self.uri.startswith(SQLITE) and not Path(self.uri.removeprefix(SQLITE)).exists():
                make_database(Path(self.uri.removeprefix(SQLITE)))
            self.client = quiet_client(self.uri)
            found = self.client.get_experiment_by_name(self.experiment_name)
            if found:
                self.experiment = str(found.experiment_id)
                return
            location = self.artifacts.absolute().as_uri() if self.artifacts else None
            self.experiment = str(self.client.create_experiment(self.experiment_name, location))

    def close(self) -> None:
        """Leave a database as one file, with nothing beside it that only its next reader takes in.

        MLflow would do so when Python ends, after a long look for garbage.
        """
        client = getattr(self, "client", None)
        engine = client and getattr(client._tracking_client.store, "engine", None)
        if engine is not None:
            engine.dispose()

    def tags_of_new(self) -> Mapping[str, str]:
        """What every run that is made here carries."""
        return {}

    def write(self, entries: Sequence[Entry]) -> None:
        """What several entries say of a run is told in one go.

        Raises:
            RefusedError: MLflow understood and will never take it.
        """
        said: dict[str, list[Entry]] = {}
        for entry in entries:
            said.setdefault(entry.run, []).append(entry)
        with refusals_named():
            for name, own in said.items():
                self.write_run(name, own)

    def write_run(self, name: str, said: Sequence[Entry]) -> None:
        tags = {key: text for entry in said for key, text in entry.tags.items()}
        status = next((entry.status for entry in reversed(said) if entry.status), "")
        if name not in self.runs:
            tags = {**self.tags_of_new(), **tags}
            title = said[0].title or name
            run = self.client.create_run(self.experiment, said[0].at, tags, title)
            self.runs[name] = run.info.run_id
            tags = {}
        elif status == RUNNING:
            self.client.update_run(self.runs[name], status)
        run_id = self.runs[name]
        if any(entry.panel for entry in said):
            tags["mlflow.loggedImages"] = "True"
            self.log_panels(run_id, said)
        params = {key: text for entry in said for key, text in entry.params.items()}
        self.log(run_id, said, params, tags)
        if status not in ("", RUNNING):
            self.client.set_terminated(run_id, status, end_time=said[-1].at)

    def log(
        self,
        run_id: str,
        said: Sequence[Entry],
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Metrics, parameters and tags, in as few calls as MLflow allows."""
        from mlflow.entities import Metric, Param, RunTag

        metrics = [
            Metric(key, float(value), entry.at, entry.step)
            for entry in said
            for key, value in entry.metrics.items()
        ]
        self.client.log_batch(
            run_id,
            metrics=metrics[:METRICS_AT_ONCE],
            params=[Param(key, text) for key, text in (params or {}).items()],
            tags=[RunTag(key, text) for key, text in (tags or {}).items()],
            synchronous=True,
        )
        for first in range(METRICS_AT_ONCE, len(metrics), METRICS_AT_ONCE):
            rest = metrics[first : first + METRICS_AT_ONCE]
            self.client.log_batch(run_id, metrics=rest, synchronous=True)

    def log_panels(self, run_id: str, said: Sequence[Entry]) -> None:
        """Pictures by the names under which MLflow's own `log_image` keeps them.

        That would encode each once more, which takes longer than all else here together.
        """
        from PIL import Image

        with tempfile.TemporaryDirectory() as folder:
            for entry in said:
                if not entry.panel:
                    continue
                # The same entry, told twice, is the same file.
                unique = uuid5(NAMESPACE_OID, f"{run_id} {entry.at} {entry.step}")
                name = f"{PANEL}+step+{entry.step}+timestamp+{entry.at}+{unique}"
                (Path(folder) / f"{name}.png").write_bytes(entry.panel)
                small = Image.open(io.BytesIO(entry.panel), formats=("PNG",))
                small.thumbnail((THUMBNAIL, THUMBNAIL))
                small.save(Path(folder) / f"{name}+compressed.webp")
            self.client.log_artifacts(run_id, folder, "images")

    def end(self, run_id: str, ending: Ending) -> None:
        """Close a run with its state in our words and MLflow's."""
        self.log(run_id, [], tags=ending.tags)
        self.client.set_terminated(run_id, ending.status, end_time=now())

    def search(self, condition: str) -> list[Any]:
        """Every run of the experiment under a condition, oldest first."""
        found: list[Any] = []
        token = None
        while True:
            page = self.client.search_runs(
                [self.experiment],
                condition,
                max_results=1000,
                order_by=["attributes.start_time ASC"],
                page_token=token,
            )
            found += page
            token = page.token
            if not token:
                return found


@contextmanager
def refusals_named() -> Iterator[None]:
    """MLflow's answer that something is wrong with what it was told, told from its absence."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        if error.error_code in ("INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST"):
            raise RefusedError(error.message.partition("\n")[0][:200]) from error
        raise
