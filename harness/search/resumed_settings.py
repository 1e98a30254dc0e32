"""Settings that a resumed study keeps from its start, whatever the defaults of this version."""

from collections.abc import Mapping
from typing import Any

from harness.config.settings import SearchConfig, TrainSettings
from harness.paths import RunPaths
from harness.study.database import open_to_read, reading_url
from harness.study.study import find_study

LENGTHS = ("steps", "rungs", "warm_start_steps", "warm_discriminator_steps")
"""Training settings that only the profile can set."""


def facts_at_beginning(config: SearchConfig) -> dict[str, Any]:
    """The metadata of the study that a search resumes; {} for a new study.

    Raises:
        UserInputError: the database cannot be opened.
    """
    storage = open_to_read(config.storage or reading_url(RunPaths(config.run_dir).optuna_db))
    if storage is None:
        return {}
    try:
        study = find_study(storage, config.study)
        return dict(study.user_attrs) if study is not None else {}
    finally:
        storage.engine.dispose()


def with_lengths_of(begun: Mapping[str, Any], profile: str, train: TrainSettings) -> TrainSettings:
    """A profile's training settings, with the profile's lengths at the start of the study."""
    if begun.get("profile") != profile:
        return train
    return train.but({name: begun["train"][name] for name in LENGTHS})
