"""Runs in an MLflow store, found and written."""

import io
import sqlite3
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_OID, uuid5

from harness.study.urls import sqlite_file
from harness.tracking.client import REFUSALS, load_client, named_errors, quiet_client
from harness.tracking.database import damaged, located, make_database, settle
from harness.tracking.outbox import Entry, now
from harness.tracking.sender import AwayError, RefusedError, Say

if TYPE_CHECKING:
    from mlflow import MlflowClient

PANEL = "panel"
ARTIFACTS = "mlflow-artifacts"  # beside a SQLite file that somebody named
THUMBNAIL = 256  # pixels: the longer side of what MLflow's grid of pictures shows
PNG_END = b"IEND\xaeB`\x82"
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


@dataclass
class MlflowStore:
    """Runs of one experiment, which may hold others' runs as well.

    Attributes:
        artifacts: where the run folder's own store keeps its files; None: where the server does.
        opening: held while the store is opened, as one process at a time may make a database.
        runs: MLflow's ids of our runs, by our names.
        say: told what the user should know.
        ready: whether it was opened, wholly.
    """

    uri: str
    experiment_name: str
    artifacts: Path | None
    opening: Callable[[], AbstractContextManager[Any]] = nullcontext
    client: "MlflowClient" = field(init=False)
    experiment: str = ""
    runs: dict[str, str] = field(default_factory=dict)
    places: dict[str, Any] = field(default_factory=dict)
    say: Say = field(default=lambda text: None)
    ready: bool = False

    def __post_init__(self) -> None:
        # Here and not where the store is opened, which may be in a thread: to import a large
        # package while another thread imports what it imports too is asking for trouble.
        load_client()

    def open(self, say: Say) -> None:
        """Find or make the experiment, and our runs in it.

        Raises:
            AwayError: it cannot be opened now.
        """
        self.say, self.ready = say, False
        try:
            with named_errors():
                with self.opening():
                    file = sqlite_file(self.uri)
                    if self.artifacts is not None and file is not None:
                        self.open_file(file, self.artifacts)
                    self.client = quiet_client(self.uri)
                    self.experiment = self.find_experiment()
                self.find_runs()
        except RefusedError as error:
            raise AwayError(str(error)) from error
        self.ready = True

    def open_file(self, file: Path, artifacts: Path) -> None:
        """The run folder's own database, made where there is none; a damaged one stays as it is."""
        if not file.exists():
            make_database(file)
        try:
            settle(file, artifacts)
        except sqlite3.Error as error:
            raise AwayError(damaged(file, error)) from error

    def location(self) -> str | None:
        """Where a new experiment keeps its files; None: where the server does.

        Of a database that is opened as a file MLflow would keep them in the current folder.
        """
        file = sqlite_file(self.uri)
        beside = file.parent / ARTIFACTS if file is not None else None
        folder = self.artifacts or beside
        return None if folder is None else folder.absolute().as_uri()

    def find_experiment(self) -> str:
        """The experiment of our name, made where there is none; one that was deleted, restored."""
        from mlflow.exceptions import MlflowException

        found = self.client.get_experiment_by_name(self.experiment_name)
        if found is None:
            try:
                return str(self.client.create_experiment(self.experiment_name, self.location()))
            except MlflowException:
                # Another program may have made it since.
                found = self.client.get_experiment_by_name(self.experiment_name)
                if found is None:
                    raise
        if found.lifecycle_stage != "active":
            self.client.restore_experiment(found.experiment_id)
            self.say(
                f"The experiment {self.experiment_name} had been deleted in MLflow. It is restored "
                "with its runs, since the study goes on in it."
            )
        return str(found.experiment_id)

    def find_runs(self) -> None:
        """Learn which runs of the experiment are ours."""

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
        """Write what several entries hold of a run in one go.

        Raises:
            RefusedError: MLflow understood and will never take it.
            AwayError: it may take it later.
        """
        of_run: dict[str, list[Entry]] = {}
        for entry in entries:
            of_run.setdefault(entry.run, []).append(entry)

        def write_all() -> None:
            for name, own in of_run.items():
                self.write_run(name, own)

        self.attempt(write_all)

    def attempt(self, call: Callable[[], None]) -> None:
        """Call, and once more where only the experiment was gone, which somebody may delete.

        Raises:
            RefusedError, AwayError: it fails.
        """
        from mlflow.exceptions import MlflowException

        with named_errors():
            try:
                call()
            except MlflowException as error:
                if error.error_code not in REFUSALS or self.is_there():
                    raise
                self.open(self.say)
                call()

    def is_there(self) -> bool:
        """Whether the experiment exists and is not deleted."""
        from mlflow.exceptions import MlflowException

        try:
            return bool(self.client.get_experiment(self.experiment).lifecycle_stage == "active")
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return False
            raise

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
        with tempfile.TemporaryDirectory() as folder:
            for entry in said:
                if not entry.panel:
                    continue
                # The same entry, delivered twice, is the same file.
                unique = uuid5(NAMESPACE_OID, f"{run_id} {entry.at} {entry.step}")
                name = f"{PANEL}+step+{entry.step}+timestamp+{entry.at}+{unique}"
                (Path(folder) / f"{name}.png").write_bytes(entry.panel)
                thumbnail(entry.panel).save(Path(folder) / f"{name}+compressed.webp")
            self.files_of(run_id).log_artifacts(folder, "images")

    def files_of(self, run_id: str) -> Any:
        """Where a run keeps its files: MLflow's artifact repository.

        That of the run folder's own store lies in the run folder, whatever path a program that
        sees the folder elsewhere has noted in the database.
        """
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        if run_id not in self.places:
            uri = self.client.get_run(run_id).info.artifact_uri
            if self.artifacts is not None:
                uri = located(uri, self.artifacts)
            self.places[run_id] = get_artifact_repository(uri, tracking_uri=self.uri)
        return self.places[run_id]

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


def thumbnail(panel: bytes) -> Any:
    """A small copy of a PNG picture.

    Raises:
        RefusedError: it is none, or not whole.
    """
    from PIL import Image

    try:
        if not panel.endswith(PNG_END):
            raise ValueError("it is cut off")
        small = Image.open(io.BytesIO(panel), formats=("PNG",))
        small.thumbnail((THUMBNAIL, THUMBNAIL))
    except (OSError, SyntaxError, ValueError) as error:
        raise RefusedError(f"its picture cannot be read ({error})") from error
    return small
