"""What MLflow's store holds of a study, and what must hold of that."""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from optuna.trial import FrozenTrial, TrialState
from others import OF_RUN, Rows, looked_at, rows_of

from reports.record.trial import Cause

STATUS = {TrialState.COMPLETE: "FINISHED", TrialState.PRUNED: "KILLED", TrialState.FAIL: "FAILED"}
STATE = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}


@dataclass(frozen=True)
class Run:
    """One run that is not deleted."""

    id: str
    status: str
    artifacts: Path
    tags: Mapping[str, str]
    params: Mapping[str, str]
    scores: frozenset[tuple[int, float]]


@dataclass(frozen=True)
class Mirror:
    """Our study's runs, and every row of all others.

    Attributes:
        stages: of the other runs: active or deleted.
        deleted: the experiment is; whoever restores it restores all its runs.
    """

    runs: Sequence[Run]
    theirs: Mapping[str, Rows]
    stages: Mapping[str, str]
    deleted: bool


EMPTY = Mirror([], {table: [] for table in OF_RUN}, {}, deleted=False)


def read_mirror(file: Path, identity: str, scratch: Path) -> Mirror:
    """The store as it is on the disk."""
    if not file.exists():
        return EMPTY
    with looked_at(file, scratch) as connection:
        stages = dict(connection.execute("SELECT run_uuid, lifecycle_stage FROM runs"))
        tagged = connection.execute("SELECT run_uuid FROM tags WHERE value = ?", [identity])
        own = {run for (run,) in tagged}
        runs = [read_run(connection, run) for run in sorted(own)]
        others = {run: stage for run, stage in stages.items() if run not in own}
        gone = connection.execute("SELECT 1 FROM experiments WHERE lifecycle_stage = 'deleted'")
        deleted = gone.fetchone() is not None
        # In a copy of the file.
        connection.execute("UPDATE runs SET lifecycle_stage = 'active', deleted_time = NULL")
        theirs = rows_of(connection, OF_RUN, "run_uuid", sorted(others))
    return Mirror([run for run in runs if run is not None], theirs, others, deleted)


def read_run(connection: sqlite3.Connection, run: str) -> Run | None:
    def rows(table: str, columns: str, more: str = "") -> list[tuple[Any, ...]]:
        query = f"SELECT {columns} FROM {table} WHERE run_uuid = ? {more}"
        return connection.execute(query, [run]).fetchall()

    ((stage, status, uri),) = rows("runs", "lifecycle_stage, status, artifact_uri")
    if stage != "active":
        return None
    return Run(
        run,
        status,
        Path(unquote(urlsplit(uri).path)),
        dict(rows("tags", "key, value")),
        dict(rows("params", "key, value")),
        frozenset(rows("metrics", "step, value", "AND key = 'score'")),
    )


def check_mirror(
    mirror: Mirror, trials: Mapping[int, FrozenTrial], lost: set[int], files_in: Path
) -> None:
    """Each trial that ended has one run, of the same state and values; nothing of it runs.

    Args:
        lost: trials of which somebody deleted what MLflow held, or was to be told.
        files_in: where the runs' pictures must be.
    """
    assert [run.id for run in mirror.runs if run.status == "RUNNING"] == []
    of_trial: dict[int, Run] = {}
    for run in mirror.runs:
        if "trial" in run.tags:
            number = int(run.tags["trial"])
            assert number not in of_trial, f"two runs of trial {number}"
            of_trial[number] = run
    assert of_trial.keys() <= trials.keys()
    for number, trial in trials.items():
        if number in lost or not trial.state.is_finished():
            continue
        assert number in of_trial, f"trial {number} has no run"
        run = of_trial[number]
        assert (run.tags["state"], run.status) == (STATE[trial.state], STATUS[trial.state])
        assert run.params["gan_mode"] == trial.user_attrs["params"]["gan_mode"]
        rungs = trial.user_attrs["rungs"]
        scores = {(rung["step"], rung["value"]) for rung in rungs}
        # What went wrong may have ended an interrupted trial sooner when it ran again.
        wrong = trial.user_attrs.get("cause") not in (None, "", Cause.PRUNED)
        assert run.scores >= scores if wrong else run.scores == scores
        assert run.artifacts.is_relative_to(files_in), "its pictures are elsewhere"
        pictures = [file.name for file in (run.artifacts / "images").glob("*.png")]
        for rung in rungs:
            assert any(f"+step+{rung['step']}+" in name for name in pictures), "it has no picture"
