"""The search and its result as functions; `harness/__init__.py` lists all that is public."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.config.settings import SearchConfig
from harness.console.views import make_view
from harness.errors import for_the_user
from harness.paths import RunPaths
from harness.search.result import SearchOutcome
from harness.search.search import search

if TYPE_CHECKING:
    from optuna import Study


def find_settings(config: SearchConfig, quiet: bool = False) -> SearchOutcome:
    """Search as `harness search` does: make the study or go on with it, until its budget.

    It prints a line a trial unless `quiet`. Ctrl-C (a notebook's stop button) ends it in order, and
    the same call goes on. In a script, call it under `if __name__ == "__main__":`, as its workers
    are processes that import the script.

    Raises:
        UserInputError: something cannot be used; nothing has been written.
        SearchFailedError: trials only failed.
        HarnessError: another failure with a known cause; what was done is kept.
    """
    view = make_view(quiet, as_json=False)
    try:
        return search(config, view)
    finally:
        view.close()


def best_configuration(
    study: "Study", trial: int | None = None, run_dir: Path | str | None = None
) -> dict[str, Any]:
    """The best trial of a study, or the one named, with all that made its number: `best.yaml`.

    Args:
        run_dir: the run folder as it lies now; None: where the last search had it.

    Raises:
        UserInputError: there is no such trial, or none with a final score.
    """
    from reports.export import best_config

    folder = RunPaths(Path(run_dir)).study(study.study_name).folder if run_dir else None
    with for_the_user(ValueError):
        return best_config(study, trial, folder=folder)
