"""The search as a function. `harness/__init__.py` lists all that other programs may use."""

from harness.config import SearchConfig
from harness.outcome import SearchOutcome
from harness.search import search
from harness.view import make_view


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
