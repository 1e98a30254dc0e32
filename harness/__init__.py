"""Finds the pix2pix settings that remove the blur around retouched regions.

The public Python API, which the commands use as well:

- `SearchConfig`: the options of `harness search`, as fields;
- `find_settings(config)`: run the search; returns a `SearchOutcome`;
- `read_study(run_dir, name)`: a study's record as an `optuna.Study`, also while a search runs;
- `trials_frame(study)`: its trials as a pandas DataFrame;
- `best_configuration(study, trial)`: the content of `best.yaml`, as a dict;
- `write_report(study, file, lang, panels)`: write the HTML report;
- `HarnessError` and its subclasses `UserInputError` and `SearchFailedError`: every failure with a
  known cause; its message is one sentence.

Names are imported on first use, so that `import harness` is fast.
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

_MODULES = {
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
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module 'harness' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
