"""The names of all files in run folders and training folders, and how to write them safely."""

import hashlib
import re
import tempfile
import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from harness.errors import UserInputError
from reports.record.names import OTHER_WARM_START, WARM_START, trial_name


class ChildPath:
    """A class attribute that is the path of `name` in the instance's `folder`."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, owner: Any, owner_type: type) -> Path:
        return Path(owner.folder, self.name)


@dataclass(frozen=True)
class RunPaths:
    """Files shared by all studies of one run folder (`--run-dir`)."""

    root: Path

    optuna_db = ChildPath("optuna.db")
    mlflow_db = ChildPath("mlflow.db")
    mlflow_artifacts = ChildPath("mlflow-artifacts")
    mlflow_log = ChildPath("mlflow-server.log")  # of the server that `harness ui` starts
    made_pairs = ChildPath("made-pairs")  # made by `--originals`, a folder per set of portraits
    opening_lock = ChildPath(".opening.lock")  # only one process at a time may create a database

    @property
    def folder(self) -> Path:
        return self.root

    def study(self, name: str) -> "StudyPaths":
        reserved = [self.mlflow_artifacts.name, self.mlflow_log.name, self.made_pairs.name]
        for database in (self.optuna_db, self.mlflow_db):
            # SQLite creates files with these suffixes next to a database.
            reserved += [database.name + suffix for suffix in ("", "-wal", "-shm", "-journal")]
        return StudyPaths(self.root / safe_name(name, reserved))


@dataclass(frozen=True)
class StudyPaths:
    """Files of one study."""

    folder: Path

    owner = ChildPath("study.json")  # identifies the folder's study, since names need not be unique
    best_yaml = ChildPath("best.yaml")
    report_html = ChildPath("report.html")
    panels = ChildPath("panels")
    checkpoints = ChildPath("checkpoints")
    outbox = ChildPath("mlflow-outbox")  # entries that are not yet delivered to MLflow
    driver_log = ChildPath("driver.log")
    lock = ChildPath("driver.lock")
    driver = ChildPath("driver.json")  # the driver that has the lock: its host and process id

    @property
    def files(self) -> tuple[Path, ...]:
        """The result files of a study in this folder, without those of its drivers."""
        results = (self.owner, self.best_yaml, self.report_html, self.panels, self.checkpoints)
        return (*results, self.external.folder, self.outbox)

    def earlier(self, number: int) -> Path:
        """The folder for the files of a study that used this folder before."""
        return self.folder / f"earlier-{number}"

    @property
    def warm_start(self) -> "WarmStartPaths":
        return WarmStartPaths(self.checkpoints / "warm_start")

    @property
    def external(self) -> "ExternalPaths":
        return ExternalPaths(self.folder / "external")

    def checkpoint(self, trial: int) -> Path:
        return self.checkpoints / f"{trial_name(trial)}_net_G.pth"

    def final_checkpoint(self, run: int) -> Path:
        return self.checkpoints / f"{trial_name(run, 'final')}_net_G.pth"

    def panel(self, trial: int) -> Path:
        return self.panels / f"{trial_name(trial)}.png"

    def warm_start_panel(self, other: bool = False) -> Path:
        """The panel of the shared warm start.

        Args:
            other: that of the other kind of generator, in a study that has both.
        """
        return self.panels / f"{OTHER_WARM_START if other else WARM_START}.png"


@dataclass(frozen=True)
class ExternalPaths:
    """Input and output folders of an external training program."""

    folder: Path

    pairs = ChildPath("pairs")  # training pairs side by side, A retouched, in its folder train/

    def inputs(self, stage: str) -> Path:
        """The retouched pictures that trials of this stage are scored on."""
        return self.folder / "inputs" / stage

    def run(self, trial: str) -> Path:
        return self.folder / trial


@dataclass(frozen=True)
class WarmStartPaths:
    """The shared warm start: checkpoints that pix2pix's `--continue_train` can read.

    Attributes:
        other: whether these belong to the other kind of generator, in a study that has both.
    """

    folder: Path
    other: bool = False

    @property
    def other_kind(self) -> "WarmStartPaths":
        return WarmStartPaths(self.folder, other=True)

    @property
    def suffix(self) -> str:
        return "_warp" if self.other else ""

    @property
    def generator(self) -> Path:
        return self.folder / f"latest_net_G{self.suffix}.pth"

    @property
    def damaged(self) -> Path:
        """The folder that a damaged warm start is moved to."""
        return self.folder.with_name(f"{self.folder.name}.damaged")

    def discriminator(self, n_layers_D: int, gan_mode: str) -> Path:
        return self.folder / f"latest_net_D_{n_layers_D}_{gan_mode}{self.suffix}.pth"


@dataclass(frozen=True)
class TrainingPaths:
    """Files of one full training, the folder of `harness train --out`."""

    folder: Path

    settings = ChildPath("training.yaml")  # a training is resumed only with the same settings
    lock = ChildPath(".lock")
    outbox = ChildPath("mlflow-outbox")  # entries that are not yet delivered to MLflow

    def stage(self, number: int, count: int) -> "TrainingStagePaths":
        """The files of one stage, in the training's own folder if it is the only one.

        Args:
            number: counted from 1.
            count: number of stages.
        """
        return TrainingStagePaths(self.folder if count == 1 else self.folder / f"stage{number}")


@dataclass(frozen=True)
class TrainingStagePaths:
    """Files of one stage, named as in pix2pix's checkpoint folders."""

    folder: Path

    state = ChildPath("state.pt")  # a stopped or killed training is resumed from it
    history = ChildPath("history.csv")

    def net(self, epoch: int | str, network: str) -> Path:
        """A checkpoint: `latest_net_G.pth`, `100_net_D.pth`. `network`: G or D."""
        return self.folder / f"{epoch}_net_{network}.pth"

    def panel(self, epoch: int) -> Path:
        return self.folder / "panels" / f"epoch_{epoch:04d}.png"


def lock_beside(database: Path, study: str) -> Path:
    """The lock file of a study in a SQLite database, next to it so that all drivers find it."""
    file = database.resolve()
    digest = hashlib.sha256(f"{file.name}\n{study}".encode()).hexdigest()[:16]
    return file.with_name(f".study-{digest}.lock")


def safe_name(name: str, reserved: Collection[str]) -> str:
    """A folder name for a study: its name if that is valid and not reserved, else one with a hash.

    Args:
        reserved: names in lower case, since some file systems ignore case.
    """
    sanitized = re.sub(r"[^\w.-]+", "-", name).strip("-.")[:80]
    if sanitized == name and sanitized.casefold() not in reserved:
        return sanitized
    return f"{sanitized or 'study'}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def leftover_temporaries(folder: Path) -> list[Path]:
    """Temporary files that interrupted `replace_atomically` calls left below a folder.

    Other programs' .tmp files are not included.
    """
    our_names = re.compile(r"\..+\.[0-9a-f]{32}\.tmp")
    return [
        file
        for file in folder.rglob(".*.tmp")
        if our_names.fullmatch(file.name) and file.is_file() and not file.is_symlink()
    ]


@contextmanager
def replace_atomically(path: Path) -> Iterator[Path]:
    """Yield a temporary path next to `path`; rename it to `path` if the block succeeds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_path(path)
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file atomically. Text becomes UTF-8, with what cannot be encoded escaped."""
    body = content if isinstance(content, bytes) else content.encode("utf-8", "backslashreplace")
    with replace_atomically(path) as temporary:
        temporary.write_bytes(body)


def temporary_path(path: Path) -> Path:
    """A temporary name next to `path`, unique across processes and containers.

    `leftover_temporaries` finds such files. Long names are cut, since file systems limit them.
    """
    return path.with_name(f".{path.name[:40]}.{uuid.uuid4().hex}.tmp")


def check_writable(folder: Path, option: str) -> None:
    """Reject a folder that cannot be written, without creating it.

    Raises:
        UserInputError: it cannot be written; the message names the option to choose another.
    """
    if why := why_not_writable(folder):
        raise UserInputError(
            f"The folder {folder} cannot be written ({why}): choose another with {option} DIR."
        )


def check_run_dir(folder: Path) -> None:
    """Reject a run folder that cannot be written, or whose path cannot be part of a database URL.

    Raises:
        UserInputError: the message has the reason.
    """
    if why := why_not_a_run_dir(folder):
        raise UserInputError(f"{why}: choose another with --run-dir DIR.")


def why_not_a_run_dir(folder: Path) -> str:
    """Why a folder cannot be a run folder; "" if it can."""
    if why := why_not_writable(folder):
        return f"The folder {folder} cannot be written ({why})"
    if "?" in str(folder.absolute()):
        return (
            f"The folder {folder.absolute()} has a question mark in its path, which ends the path "
            "in the address of a database"
        )
    return ""


def check_file(file: Path, option: str = "") -> None:
    """Reject a file that cannot be written, without creating it or its folder.

    Raises:
        UserInputError: it cannot be written; the message names the option, if any, to choose
            another.
    """
    why = "it is a folder" if file.is_dir() else why_not_writable(file.absolute().parent)
    if why:
        by = f" with {option} FILE" if option else ""
        raise UserInputError(f"{file} cannot be written ({why}): name another file{by}.")


def why_not_writable(folder: Path) -> str:
    """Why a folder cannot be created or written; "" if it can."""
    try:
        # Only an attempt is reliable: on special file systems, permissions do not tell.
        tempfile.TemporaryDirectory(dir=existing_ancestor(folder)).cleanup()
    except OSError as error:
        return error.strerror or type(error).__name__
    return ""


def existing_ancestor(folder: Path) -> Path:
    """The folder itself if it exists, else its closest ancestor that does."""
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    return folder


@contextmanager
def sole_writer(folder: Path, lock: Path, activity: str, option: str = "--out") -> Iterator[None]:
    """Lock a folder while the block runs; the system releases the lock if the process dies.

    Args:
        lock: a file in the folder or next to it; its parent folder is created.
        activity: what the other process does, for the error message: "training".
        option: the option that chooses the folder, for the error message.

    Raises:
        UserInputError: another process has the lock.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(lock, timeout=0):
            try:
                yield
            finally:
                lock.unlink(missing_ok=True)
    except Timeout:
        raise UserInputError(
            f"Another process is {activity} in {folder}: wait for it, stop it, or choose another "
            f"folder with {option} DIR."
        ) from None
