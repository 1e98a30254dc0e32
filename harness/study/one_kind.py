"""A view of a study that shows a sampler or pruner only the trials of one kind of generator."""

from typing import Any

from optuna import Study
from optuna.trial import FrozenTrial

from search_spaces.generators import GENERATOR


class TrialsOfOneKind:
    """A view of a study's storage, with only the trials of one kind of generator.

    Samplers and pruners read trials through `get_all_trials` only.
    """

    def __init__(self, storage: Any, kind: str | None) -> None:
        self.storage = storage
        self.kind = kind

    def get_all_trials(self, *args: Any, **kwargs: Any) -> list[FrozenTrial]:
        found = self.storage.get_all_trials(*args, **kwargs)
        return [trial for trial in found if trial.params.get(GENERATOR) == self.kind]

    def __getattr__(self, name: str) -> Any:
        if name == "storage":  # copying looks it up before it is set: do not recurse
            raise AttributeError(name)
        return getattr(self.storage, name)


def of_one_kind(study: Study, kind: str | None) -> Study:
    """A view of the study with only the trials of that kind."""
    storage: Any = TrialsOfOneKind(study._storage, kind)
    return Study(study.study_name, storage, study.sampler, study.pruner)
