"""What belongs to other people, beside a search or in the middle of it; none of it may change."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial

THEIR_STUDY = "portraits"
Rows = list[tuple[Any, ...]]

# Every table of Optuna's that holds something of a study, and of a trial; the same of MLflow's.
OF_STUDY = ("studies", "study_directions", "study_user_attributes", "study_system_attributes")
OF_TRIAL = (
    "trial_params",
    "trial_values",
    "trial_intermediate_values",
    "trial_user_attributes",
    "trial_system_attributes",
)
OF_RUN = ("runs", "params", "metrics", "latest_metrics", "tags")


def make_optuna(file: Path) -> None:
    """A database with a study of somebody else's: ended, running and waiting trials."""
    storage = optuna.storages.RDBStorage(f"sqlite:///{file}")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(storage=storage, study_name=THEIR_STUDY, direction="maximize")
    study.set_user_attr("camera", "X100")
    x = FloatDistribution(0, 1)
    for state in (TrialState.COMPLETE, TrialState.COMPLETE, TrialState.FAIL, TrialState.PRUNED):
        value = 0.5 if state == TrialState.COMPLETE else None
        study.add_trial(
            create_trial(state=state, value=value, params={"x": 0.5}, distributions={"x": x})
        )
    study.enqueue_trial({"x": 0.25})
    study.enqueue_trial({"x": 0.75})
    study.ask().report(0.1, 1)  # theirs to run
    storage.engine.dispose()


def make_mlflow(file: Path, artifacts: Path) -> None:
    """A store with runs of somebody else's that look like ours, in an experiment of our name."""
    from harness.tracking.client import quiet_client

    client = quiet_client(f"sqlite:///{file}")
    for name in ("fake", "another"):
        experiment = client.create_experiment(name, artifacts.as_uri())
        for tags in ({"trial": "0"}, {"trial": "0"}, {"role": "study"}, {"best": "true"}, {}):
            run = client.create_run(experiment, tags=tags)
            client.log_metric(run.info.run_id, "score", 0.9, step=15)
            client.log_param(run.info.run_id, "gan_mode", "theirs")
    client.set_terminated(run.info.run_id)  # the others are still running


def parts_of(file: Path) -> dict[str, bytes]:
    """A database as it lies on the disk: the file, and what a kill leaves of changes beside it."""
    parts = [file.with_name(f"{file.name}{end}") for end in ("", "-wal", "-journal")]
    return {part.name: part.read_bytes() for part in parts if part.exists()}


@contextmanager
def looked_at(file: Path, scratch: Path) -> Iterator[sqlite3.Connection]:
    """A copy of a database: to open the file itself would already mend what a kill left."""
    for name, held in parts_of(file).items():
        (scratch / name).write_bytes(held)
    try:
        with closing(sqlite3.connect(scratch / file.name)) as connection:
            yield connection
    finally:
        for part in scratch.glob(f"{file.name}*"):
            part.unlink()


def rows_of(
    connection: sqlite3.Connection, tables: Iterable[str], key: str, ids: Sequence[Any]
) -> dict[str, Rows]:
    """All that some tables hold under these ids, column for column."""
    places = ",".join("?" * len(ids))
    return {
        table: sorted(
            connection.execute(f"SELECT * FROM {table} WHERE {key} IN ({places})", ids), key=repr
        )
        for table in tables
    }


def their_study(connection: sqlite3.Connection) -> dict[str, Rows]:
    """Everything of the study that is not ours."""
    found = connection.execute("SELECT study_id FROM studies WHERE study_name = ?", [THEIR_STUDY])
    studies = [number for (number,) in found]
    places = ",".join("?" * len(studies))
    trials = connection.execute(
        f"SELECT trial_id FROM trials WHERE study_id IN ({places})", studies
    )
    numbers = [number for (number,) in trials]
    return {
        **rows_of(connection, (*OF_STUDY, "trials"), "study_id", studies),
        **rows_of(connection, OF_TRIAL, "trial_id", numbers),
    }


def tree(folder: Path) -> dict[str, bytes]:
    """Every file and folder under one, with what the files hold."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b""
        for path in sorted(folder.rglob("*"))
    }
