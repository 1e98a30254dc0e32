"""A study as one table, and that table as CSV, JSON and Markdown."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from optuna import Study
from optuna.trial import FrozenTrial, TrialState

from reports.record.names import PARAMS
from reports.record.queries import (
    extras_of,
    guard_violators,
    objectives_of,
    params_of,
    rungs_of,
    score_of,
    state_of,
    trials_by_score,
    trials_of,
)
from reports.record.trial import TrialRecord

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""Beginnings of a formula in Excel, LibreOffice or Google Sheets."""


def trials_frame(study: Study) -> pd.DataFrame:
    """One row per trial, by number.

    Columns: `trial`, `state`, `recipe`, `score` (completed trials only), `last_value` (the value
    at the last rung, also of a pruned trial), `step` (of that rung), the five settings, the others
    that the space varies, `feasible` (whether a completed trial can win), `seconds`, one column per
    component, `reason`, `seed`, `mlflow_run` (empty for a trial that ended before MLflow had its
    run). A Pareto search also has one column per objective, by name, and `front`: whether no other
    trial dominates it.
    """
    objectives = objectives_of(study)
    rows = [row_of(trial, objectives) for trial in trials_of(study)]
    broken = guard_violators(study)
    for head, _, _ in rows:
        head["feasible"] = None if head["score"] is None else head["trial"] not in broken
    if objectives:
        front = {trial.number for trial in trials_by_score(study)}
        for head, _, _ in rows:
            head["front"] = head["trial"] in front
    components = sorted({name for _, parts, _ in rows for name in parts})
    extras = dict.fromkeys(name for trial in trials_of(study) for name in extras_of(trial))
    columns = [
        *("trial", "state", "recipe", "score"),
        *((*objectives, "front") if objectives else ()),
        *("last_value", "step", *PARAMS, *extras, "feasible", "seconds", *components),
        *("reason", "seed", "mlflow_run"),
    ]
    data = [head | parts | tail for head, parts, tail in rows]
    frame = pd.DataFrame(data, columns=pd.Index(dict.fromkeys(columns)))
    whole = {"trial": "int64", "step": "Int64", "n_layers_D": "Int64", "seed": "Int64"}
    return frame.astype({**whole, "feasible": "boolean"})


def row_of(
    trial: FrozenTrial, objectives: Sequence[str] = ()
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """A trial's row in three parts: the columns before its components, those, and the rest."""
    record = TrialRecord.of(trial)
    done = trial.state == TrialState.COMPLETE
    rungs = rungs_of(trial)
    step = max(rungs, default=None)
    params = params_of(trial)
    head = {
        "trial": trial.number,
        "state": state_of(trial),
        "recipe": record.recipe,
        "score": score_of(trial) if done else None,
        **dict(zip(objectives, trial.values if done else (), strict=False)),
        "last_value": None if step is None else rungs[step],
        "step": step,
        **{name: params.get(name) for name in PARAMS},
        **extras_of(trial),
        "seconds": record.seconds,
    }
    tail = {"reason": record.reason or None, "seed": record.seed, "mlflow_run": record.mlflow_run}
    parts = {key: part for key, part in record.components.items() if key not in head}
    return head, parts, tail


def as_csv(frame: pd.DataFrame) -> str:
    """The table as CSV, an empty cell where there is no value, and none a formula."""
    cells = frame.astype(object)  # pandas 2 would write integers in columns with gaps as 400.0
    return cells.map(plain_cell).to_csv(index=False, lineterminator="\n")


def plain_cell(value: object) -> object:
    """A value for CSV; text that a spreadsheet would read as a formula is prefixed with an
    apostrophe."""
    if not isinstance(value, str):
        return value
    text = f"'{value}" if value.startswith(FORMULA) else value
    # Before Python 3.13 a carriage return is not quoted, and would end the row for most readers.
    return text.replace("\r\n", "\n").replace("\r", "\n")


def as_json(frame: pd.DataFrame) -> str:
    """The table as a JSON list of objects, null where there is no value."""
    text: str = frame.to_json(orient="records", force_ascii=False, indent=1, double_precision=15)
    return text + "\n"


def as_markdown(frame: pd.DataFrame) -> str:
    """The most readable columns as a Markdown table, without the components."""
    columns = list(frame.columns)
    head = columns[: columns.index("seconds") + 1]
    unread = {"last_value", "step", *(["feasible"] if frame["feasible"].all() else [])}
    short = frame[[*(name for name in head if name not in unread), "reason"]]
    lines = [list(short.columns), ["---"] * len(short.columns)]
    lines += [[cell(value) for value in row] for row in short.itertuples(index=False)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def cell(value: object) -> str:
    """One value of a Markdown table, escaped so that it cannot end its cell or line."""
    if value is None or value is pd.NA or value != value:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    return " ".join(str(value).replace("|", "\\|").replace("<", "&lt;").split())
