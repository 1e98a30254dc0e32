"""Find and write runs in an MLflow store."""

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
from harness.tracking.client import (
    REFUSALS,
    RefusedError,
    UnavailableError,
    classified_errors,
    load_client,
    quiet_client,
)
from harness.tracking.database import (
    check_and_relocate,
    damage_message,
    make_database,
    not_utf8,
    relocated,
)
from harness.tracking.metrics import table_of
from harness.tracking.outbox import Ending, Entry, now

if TYPE_CHECKING:
    from mlflow import MlflowClient

# A name with a slash gives MLflow's chart view a section of pictures, before those of numbers.
IMAGE = "panel/restored"
# The same names in every run: MLflow compares files that all runs have at their top level.
PANEL, TABLE = "panel.png", "scores.csv"
LATEST = 0  # step of the latest picture in MLflow's image grid, which opens at this step
ARTIFACTS = "mlflow-artifacts"  # beside a SQLite file that the user named
THUMBNAIL = 256  # pixels: the longer side of an image in MLflow's grid
PNG_END = b"IEND\xaeB`\x82"
METRICS_AT_ONCE = 1000  # MLflow's limit per call
RUNNING = "RUNNING"

Notify = Callable[[str], None]


@dataclass
class MlflowStore:
    """Our runs of one experiment, which may contain other runs as well.

    Attributes:
        artifacts: artifact folder of a run folder's own store; None: the server decides.
        opening: lock for opening the store, since only one process may create the database.
        runs: MLflow's run ids by our names.
        notify: is called with messages for the user.
        repositories: MLflow's artifact repositories by run id.
        ready: whether `open` has succeeded.
    """

    uri: str
    experiment_name: str
    artifacts: Path | None
    opening: Callable[[], AbstractContextManager[Any]] = nullcontext
    client: "MlflowClient" = field(init=False)
    experiment: str = ""
    runs: dict[str, str] = field(default_factory=dict)
    repositories: dict[str, Any] = field(default_factory=dict)
    notify: Notify = field(default=lambda text: None)
    ready: bool = False

    def __post_init__(self) -> None:
        # Imported here and not in `open`, which may run in a thread: concurrent imports of the same
        # large packages are unsafe.
        load_client()

    def open(self, notify: Notify) -> None:
        """Find or create the experiment and our runs in it.

        Args:
            notify: is called with messages for the user, now and in later calls.

        Raises:
            UnavailableError: the store cannot be opened now.
        """
        self.notify, self.ready = notify, False
        file = sqlite_file(self.uri)
        if file is not None and (why := not_utf8(file)):
            raise UnavailableError(why)
        try:
            with classified_errors():
                with self.opening():
                    if self.artifacts is not None and file is not None:
                        self.open_file(file, self.artifacts)
                    self.client = quiet_client(self.uri)
                    self.experiment = self.find_experiment()
                self.find_runs()
        except RefusedError as error:
            raise UnavailableError(str(error)) from error
        self.ready = True

    def open_file(self, file: Path, artifacts: Path) -> None:
        """Create or check the run folder's database; a damaged one is left unchanged."""
        if not file.exists():
            make_database(file)
        try:
            check_and_relocate(file, artifacts)
        except sqlite3.Error as error:
            raise UnavailableError(damage_message(file, error)) from error

    def location(self) -> str | None:
        """Artifact location of a new experiment; None: the server decides.

        For a database that is a file, MLflow's default would be the current folder.
        """
        file = sqlite_file(self.uri)
        default = file.parent / ARTIFACTS if file is not None else None
        folder = self.artifacts or default
        return None if folder is None else folder.absolute().as_uri()

    def find_experiment(self) -> str:
        """The id of our experiment. Creates a missing one, restores a deleted one."""
        from mlflow.exceptions import MlflowException

        experiment = self.client.get_experiment_by_name(self.experiment_name)
        if experiment is None:
            try:
                return str(self.client.create_experiment(self.experiment_name, self.location()))
            except MlflowException:
                # Another process may have created it in the meantime.
                experiment = self.client.get_experiment_by_name(self.experiment_name)
                if experiment is None:
                    raise
        if experiment.lifecycle_stage != "active":
            self.client.restore_experiment(experiment.experiment_id)
            self.notify(
                f"The experiment {self.experiment_name} had been deleted in MLflow. It is restored "
                "with all its runs: MLflow keeps its name taken."
            )
        return str(experiment.experiment_id)

    def find_runs(self) -> None:
        """Find our runs in the experiment."""

    def close(self) -> None:
        """Close the database, which merges its write-ahead log into the file.

        MLflow would do so at interpreter exit, after a slow garbage collection.
        """
        client = getattr(self, "client", None)
        engine = client and getattr(client._tracking_client.store, "engine", None)
        if engine is not None:
            engine.dispose()

    def new_run_tags(self) -> Mapping[str, str]:
        """Tags that every new run gets."""
        return {}

    def write(self, entries: Sequence[Entry]) -> None:
        """Write entries, grouped by run. Writing an entry again changes nothing.

        Raises:
            RefusedError: MLflow rejects one for good.
            UnavailableError: a retry may succeed.
        """
        by_run: dict[str, list[Entry]] = {}
        for entry in entries:
            by_run.setdefault(entry.run, []).append(entry)

        def write_all() -> None:
            for name, group in by_run.items():
                self.write_run(name, group)

        self.attempt(write_all)

    def attempt(self, call: Callable[[], None]) -> None:
        """Call, and retry once if the call failed because the experiment was deleted.

        Raises:
            RefusedError: MLflow rejects the request for good.
            UnavailableError: a retry may succeed.
        """
        from mlflow.exceptions import MlflowException

        with classified_errors():
            try:
                call()
            except MlflowException as error:
                if error.error_code not in REFUSALS or self.experiment_exists():
                    raise
                self.open(self.notify)
                call()

    def experiment_exists(self) -> bool:
        """Whether the experiment exists and is not deleted."""
        from mlflow.exceptions import MlflowException

        try:
            return bool(self.client.get_experiment(self.experiment).lifecycle_stage == "active")
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return False
            raise

    def write_run(self, name: str, entries: Sequence[Entry]) -> None:
        tags = {key: text for entry in entries for key, text in entry.tags.items()}
        status = next((entry.status for entry in reversed(entries) if entry.status), "")
        if name not in self.runs:
            tags = {**self.new_run_tags(), **tags}
            title = entries[0].title or name
            run = self.client.create_run(self.experiment, entries[0].at, tags, title)
            self.runs[name] = run.info.run_id
            tags = {}
        elif status == RUNNING:
            self.client.update_run(self.runs[name], status)
        run_id = self.runs[name]
        if any(entry.panel for entry in entries):
            tags["mlflow.loggedImages"] = "True"
        self.log_files(run_id, entries)
        params = {key: text for entry in entries for key, text in entry.params.items()}
        self.log(run_id, entries, params, tags)
        if status not in ("", RUNNING):
            self.client.set_terminated(run_id, status, end_time=entries[-1].at)

    def log(
        self,
        run_id: str,
        entries: Sequence[Entry],
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Log metrics, parameters and tags, in as few calls as MLflow allows."""
        from mlflow.entities import Metric, Param, RunTag

        metrics = [
            Metric(key, float(value), entry.at, entry.step)
            for entry in entries
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

    def log_files(self, run_id: str, entries: Sequence[Entry]) -> None:
        """Upload the pictures, and the latest picture and table under the names of every run."""
        pictures = [entry for entry in entries if entry.panel]
        tables = [entry for entry in entries if entry.scores]
        if not pictures and not tables:
            return
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for entry in tables[-1:]:
                table = table_of(entry.step, entry.scores)
                (folder / TABLE).write_text(table, encoding="utf-8")
            # Names are fixed by run, step and time, so a repeated delivery overwrites its files.
            for entry in pictures:
                write_image(folder, image_name(run_id, entry.step, entry.at), entry.panel)
            for entry in pictures[-1:]:
                write_image(folder, image_name(run_id, LATEST, 0), entry.panel)
                (folder / PANEL).write_bytes(entry.panel)
            self.files_of(run_id).log_artifacts(name)

    def files_of(self, run_id: str) -> Any:
        """MLflow's artifact repository of a run.

        For the run folder's own store it is in the run folder, even if the database still has a
        path from before the folder was moved.
        """
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        if run_id not in self.repositories:
            uri = self.client.get_run(run_id).info.artifact_uri
            if self.artifacts is not None:
                uri = relocated(uri, self.artifacts)
            self.repositories[run_id] = get_artifact_repository(uri, tracking_uri=self.uri)
        return self.repositories[run_id]

    def end(self, run_id: str, ending: Ending) -> None:
        """End a run, with the harness's state and MLflow's status."""
        self.log(run_id, [], tags=ending.tags)
        self.client.set_terminated(run_id, ending.status, end_time=now())

    def search(self, condition: str) -> list[Any]:
        """All runs of the experiment that meet a condition, oldest first."""
        runs: list[Any] = []
        token = None
        while True:
            page = self.client.search_runs(
                [self.experiment],
                condition,
                max_results=1000,
                order_by=["attributes.start_time ASC"],
                page_token=token,
            )
            runs += page
            token = page.token
            if not token:
                return runs


def image_name(run_id: str, step: int, at: int) -> str:
    """The name, without a suffix, that MLflow's own `log_image` gives to an image."""
    unique = uuid5(NAMESPACE_OID, f"{run_id} {at} {step}")
    return f"{IMAGE.replace('/', '~')}+step+{step}+timestamp+{at}+{unique}"


def write_image(folder: Path, name: str, panel: bytes) -> None:
    """Write an image and its thumbnail where `log_image` would put them.

    `log_image` would encode the image again, which takes longer than everything else here.
    """
    images = folder / "images"
    images.mkdir(exist_ok=True)
    thumbnail(panel).save(images / f"{name}+compressed.webp")
    (images / f"{name}.png").write_bytes(panel)


def thumbnail(panel: bytes) -> Any:
    """A small copy of a PNG picture.

    Raises:
        RefusedError: it is not a PNG picture, or truncated.
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
