"""Finds the pix2pix settings that remove the blur around retouched regions.

What a program of yours may use, the same as the commands use:

- `SearchConfig`: what to search for, as the options of `harness search`;
- `find_settings(config)`: the search; returns a `SearchOutcome`;
- `read_study(run_dir, name)`: a study's record, an `optuna.Study`, also while it is searched;
- `trials_frame(study)`: its trials as a pandas table;
- `best_configuration(study, trial)`: what `best.yaml` holds, as a dict;
- `write_report(study, file, lang, panels)`: the HTML report;
- `HarnessError` and its kinds `UserInputError` and `SearchFailedError`: every failure with a known
  cause, its message one sentence.

A name is imported when it is first used, so that `import harness` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from harness.config.version import __version__

if TYPE_CHECKING:
    from harness.config.settings import SearchConfig
    from harness.errors import HarnessError, SearchFailedError, UserInputError
    from harness.search.api import (
        best_configuration,
        find_settings,
        trials_frame,
        write_report,
    )
    from harness.search.result import SearchOutcome
    from harness.study.study import read_study

__all__ = [
    "HarnessError",
    "SearchConfig",
    "SearchFailedError",
    "SearchOutcome",
    "UserInputError",
    "__version__",
    "best_configuration",
    "find_settings",
    "read_study",
    "trials_frame",
    "write_report",
]

_HOMES = {
    "HarnessError": "harness.errors",
    "SearchConfig": "harness.config.settings",
    "SearchFailedError": "harness.errors",
    "SearchOutcome": "harness.search.result",
    "UserInputError": "harness.errors",
    "best_configuration": "harness.search.api",
    "find_settings": "harness.search.api",
    "read_study": "harness.study.study",
    "trials_frame": "harness.search.api",
    "write_report": "harness.search.api",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'harness' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
