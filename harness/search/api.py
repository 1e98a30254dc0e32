"""The Python API of the search; `harness/__init__.py` lists everything public."""

import warnings
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.config.settings import SearchConfig
from harness.console.views import make_view
from harness.errors import as_user_input_error
from harness.paths import RunPaths, check_file
from harness.search.result import SearchOutcome
from harness.search.search import search

if TYPE_CHECKING:
    from optuna import Study
    from pandas import DataFrame

    from reports.export.best_yaml import Named


def find_settings(config: SearchConfig, quiet: bool = False) -> SearchOutcome:
    """Search like `harness search`: create or continue the study, up to its budget.

    Prints a line per trial unless `quiet`. Ctrl-C (or a notebook's stop button) stops it cleanly,
    and the same call resumes it. In a script, call it under `if __name__ == "__main__":`, since the
    workers are processes that import the script.

    Raises:
        UserInputError: an option is invalid; nothing has been written.
        SearchFailedError: too many trials failed in a row.
        HarnessError: another failure with a known cause; results so far are kept.
    """
    with closing(make_view(quiet, as_json=False)) as view:
        return search(config, view)


def best_configuration(
    study: "Study", trial: "Named" = None, run_dir: Path | str | None = None
) -> dict[str, Any]:
    """The configuration of the best trial of a study, or of `trial`; the content of `best.yaml`.

    Args:
        trial: its number, or `recommended`, the guide's recommended setting.
        run_dir: the present path of the run folder; None: the path in the last search.

    Raises:
        UserInputError: there is no such trial, or it has no final score.
    """
    from reports.export.best_yaml import best_config

    folder = RunPaths(Path(run_dir)).study(study.study_name).folder if run_dir else None
    with as_user_input_error(ValueError):
        return best_config(study, trial, folder=folder)


def trials_frame(study: "Study") -> "DataFrame":
    """The trials of a study as a pandas table, one row each, by number.

    Its columns: `trial`, `state`, `recipe`, `score` (of completed trials), `last_value` (at the
    last rung), `step` (of that rung), the settings, `feasible`, `seconds`, the score's components,
    `reason`, `seed`, `mlflow_run`.

    Raises:
        UserInputError: the study's record cannot be read.
    """
    from reports.export import trials_table

    with as_user_input_error(ValueError):
        return trials_table.trials_frame(study)


def write_report(
    study: "Study",
    file: Path | str,
    lang: str = "en",
    panels: Path | str | None = None,
    storage: str | None = None,
) -> None:
    """Write a study's report, one HTML file, whatever state the study is in.

    Args:
        file: where to; replaced in one go.
        lang: `en` or `ko`.
        panels: the folder of the trials' pictures, `outcome.paths.panels`; None: no pictures. A
            missing one is warned of, since the report then has none either.
        storage: the URL of the study's database, as it may be shown; None: the run folder's.

    Raises:
        UserInputError: there is no such language, the file cannot be written, or the study's
            record cannot be read.
    """
    from reports.page import report
    from reports.record.study import StudyRecord

    check_file(Path(file))
    if panels is not None and not Path(panels).is_dir():
        warnings.warn(report.no_pictures(panels), stacklevel=2)
    with as_user_input_error(ValueError):
        StudyRecord.of(study).setup  # noqa: B018  # raises for a study of another program
        report.write_report(study, file, lang, panels, storage)
