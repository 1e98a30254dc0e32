"""The only file that knows file names inside a run folder."""

import hashlib
import re
import tempfile
import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from harness.errors import UserInputError


@dataclass(frozen=True)
class RunPaths:
    """Files shared by all studies of one run folder (`--run-dir`)."""

    root: Path

    @property
    def optuna_db(self) -> Path:
        return self.root / "optuna.db"

    @property
    def mlflow_db(self) -> Path:
        return self.root / "mlflow.db"

    @property
    def mlflow_artifacts(self) -> Path:
        return self.root / "mlflow-artifacts"

    @property
    def mlflow_log(self) -> Path:
        """What the server behind `harness ui` says."""
        return self.root / "mlflow-server.log"

    @property
    def opening_lock(self) -> Path:
        """Held while a database is opened, as one process at a time may make it."""
        return self.root / ".opening.lock"

    def study(self, name: str) -> "StudyPaths":
        beside = [self.mlflow_artifacts.name, self.mlflow_log.name]
        for database in (self.optuna_db, self.mlflow_db):
            # What SQLite puts beside a database has these endings.
            beside += [database.name + end for end in ("", "-wal", "-shm", "-journal")]
        return StudyPaths(self.root / safe_name(name, beside))


@dataclass(frozen=True)
class StudyPaths:
    """Files of one study."""

    folder: Path

    @property
    def owner(self) -> Path:
        """Which study's files these are: its identity, for a name can be that of several."""
        return self.folder / "study.json"

    @property
    def files(self) -> tuple[Path, ...]:
        """What a search leaves here of a study, beside the notes of its drivers."""
        return (
            self.owner,
            self.best_yaml,
            self.report_html,
            self.panels,
            self.checkpoints,
            self.external.folder,
            self.outbox,
        )

    def earlier(self, number: int) -> Path:
        """Where the files of a study go that had this folder before."""
        return self.folder / f"earlier-{number}"

    @property
    def best_yaml(self) -> Path:
        return self.folder / "best.yaml"

    @property
    def report_html(self) -> Path:
        return self.folder / "report.html"

    @property
    def panels(self) -> Path:
        return self.folder / "panels"

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    @property
    def warm_start(self) -> "WarmStartPaths":
        return WarmStartPaths(self.checkpoints / "warm_start")

    def checkpoint(self, trial: int) -> Path:
        return self.checkpoints / f"t{trial:03d}_net_G.pth"

    def final_checkpoint(self, run: int) -> Path:
        return self.checkpoints / f"f{run:02d}_net_G.pth"

    def panel(self, trial: int) -> Path:
        return self.panels / f"t{trial:03d}.png"

    @property
    def outbox(self) -> Path:
        """What MLflow has not been told yet."""
        return self.folder / "mlflow-outbox"

    def asides(self) -> list[Path]:
        """Files that `write_aside` began and that nobody will finish."""
        return begun_aside(self.folder)

    @property
    def external(self) -> "ExternalPaths":
        return ExternalPaths(self.folder / "external")

    @property
    def driver_log(self) -> Path:
        return self.folder / "driver.log"

    @property
    def lock(self) -> Path:
        return self.folder / "driver.lock"

    @property
    def driver(self) -> Path:
        """Which driver holds the lock: its host and process id."""
        return self.folder / "driver.json"


@dataclass(frozen=True)
class ExternalPaths:
    """What a program of the user's is given, and where it writes."""

    folder: Path

    @property
    def pairs(self) -> Path:
        """The training pairs side by side, A retouched, under train/."""
        return self.folder / "pairs"

    def inputs(self, stage: str) -> Path:
        """The retouched pictures that trials of this stage are scored on."""
        return self.folder / "inputs" / stage

    def run(self, trial: str) -> Path:
        return self.folder / trial


@dataclass(frozen=True)
class WarmStartPaths:
    """What every trial continues from: checkpoints as pix2pix's `--continue_train` reads them.

    Attributes:
        other: those of the other kind of generator, where a study has both.
    """

    folder: Path
    other: bool = False

    @property
    def of_other(self) -> "WarmStartPaths":
        return WarmStartPaths(self.folder, other=True)

    @property
    def mark(self) -> str:
        return "_warp" if self.other else ""

    @property
    def generator(self) -> Path:
        return self.folder / f"latest_net_G{self.mark}.pth"

    @property
    def aside(self) -> Path:
        """Where a damaged one is moved."""
        return self.folder.with_name(f"{self.folder.name}.damaged")

    def discriminator(self, n_layers_D: int, gan_mode: str) -> Path:
        return self.folder / f"latest_net_D_{n_layers_D}_{gan_mode}{self.mark}.pth"


@dataclass(frozen=True)
class TrainingPaths:
    """Files of one full training, the folder of `harness train --out`."""

    folder: Path

    @property
    def settings(self) -> Path:
        """What is trained, and how: the same training goes on, another is refused."""
        return self.folder / "training.yaml"

    @property
    def lock(self) -> Path:
        return self.folder / ".lock"

    @property
    def outbox(self) -> Path:
        """What MLflow has not been told yet."""
        return self.folder / "mlflow-outbox"

    def asides(self) -> list[Path]:
        """Files that `write_aside` began and that nobody will finish."""
        return begun_aside(self.folder)

    def stage(self, number: int, of: int) -> "TrainingStagePaths":
        """A training of one stage has its files in the folder itself. `number`: from 1."""
        return TrainingStagePaths(self.folder if of == 1 else self.folder / f"stage{number}")


@dataclass(frozen=True)
class TrainingStagePaths:
    """Files of one stage, under the names that pix2pix's checkpoint folders have."""

    folder: Path

    def net(self, epoch: int | str, network: str) -> Path:
        """`latest_net_G.pth`, `100_net_D.pth`. `network`: G or D."""
        return self.folder / f"{epoch}_net_{network}.pth"

    @property
    def state(self) -> Path:
        """What the training goes on from after it was stopped or killed."""
        return self.folder / "state.pt"

    @property
    def history(self) -> Path:
        return self.folder / "history.csv"

    def panel(self, epoch: int) -> Path:
        return self.folder / "panels" / f"epoch_{epoch:04d}.png"


def lock_beside(database: Path, study: str) -> Path:
    """The lock of one study of a SQLite file, where every driver of that file finds it."""
    file = database.resolve()
    known = hashlib.sha256(f"{file.name}\n{study}".encode()).hexdigest()[:16]
    return file.with_name(f".study-{known}.lock")


def safe_name(name: str, taken: Collection[str]) -> str:
    """A folder name for a study's name: itself where it is plain and not taken, else made so.

    Args:
        taken: in small letters; to some disks large ones are the same.
    """
    plain = re.sub(r"[^\w.-]+", "-", name).strip("-.")[:80]
    if plain == name and plain.casefold() not in taken:
        return plain
    return f"{plain or 'study'}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def begun_aside(folder: Path) -> list[Path]:
    """Files under a folder that `write_aside` began; others' may end in .tmp too."""
    ours = re.compile(r"\..+\.(\d+|[0-9a-f]{32})\.tmp")  # digits: of an earlier version
    return [
        file
        for file in folder.rglob(".*.tmp")
        if ours.fullmatch(file.name) and file.is_file() and not file.is_symlink()
    ]


@contextmanager
def write_aside(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; move it into place when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = aside_of(path)
    try:
        yield aside
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def aside_of(path: Path) -> Path:
    """A name beside `path` that no other process takes, in whatever container it runs.

    `asides` finds it. A long name is cut, for the file system has a limit.
    """
    return path.with_name(f".{path.name[:40]}.{uuid.uuid4().hex}.tmp")


def check_writable(folder: Path, option: str) -> None:
    """Refuse a folder that cannot be written, without making it.

    Raises:
        UserInputError: it cannot; the sentence names the option that chooses another.
    """
    if why := refusal_to_hold(folder):
        raise UserInputError(
            f"The folder {folder} cannot be written ({why}): choose another with {option} DIR."
        )


def check_run_dir(folder: Path) -> None:
    """Refuse a run folder that cannot be written, or whose databases could not be addressed.

    Raises:
        UserInputError: so it is.
    """
    if why := unfit_to_run_in(folder):
        raise UserInputError(f"{why}: choose another with --run-dir DIR.")


def unfit_to_run_in(folder: Path) -> str:
    """What is wrong with a run folder; "" where nothing is."""
    if why := refusal_to_hold(folder):
        return f"The folder {folder} cannot be written ({why})"
    if "?" in str(folder.absolute()):
        return (
            f"The folder {folder.absolute()} has a question mark in its path, where the address of "
            "a database ends"
        )
    return ""


def check_file(file: Path, option: str) -> None:
    """Refuse a file that cannot be written, without making it or its folder.

    Raises:
        UserInputError: it cannot; the sentence names the option that names another.
    """
    why = "it is a folder" if file.is_dir() else refusal_to_hold(file.absolute().parent)
    if why:
        raise UserInputError(
            f"{file} cannot be written ({why}): name another file with {option} FILE."
        )


def refusal_to_hold(folder: Path) -> str:
    """Why nothing can be written in a folder, or where it would be made; "" where it can."""
    try:
        # Trying is the only sure way: permissions say nothing of special places.
        tempfile.TemporaryDirectory(dir=nearest(folder)).cleanup()
    except OSError as error:
        return error.strerror or type(error).__name__
    return ""


def nearest(folder: Path) -> Path:
    """The folder, or the innermost one above it that exists."""
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    return folder


@contextmanager
def sole_writer(folder: Path, lock: Path, doing: str) -> Iterator[None]:
    """Make the folder and hold its lock, which goes with the process, however that ends.

    Args:
        lock: a file in the folder; it stays there.
        doing: what is done there, such as "training".

    Raises:
        UserInputError: another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(lock, timeout=0):
            yield
    except Timeout:
        raise UserInputError(
            f"Another process is {doing} in {folder}: wait for it, stop it, or choose another "
            "folder with --out DIR."
        ) from None
