"""What a study that goes on keeps of how it was begun, whatever this version's defaults are."""

from collections.abc import Mapping
from typing import Any

from harness.config.settings import SearchConfig, TrainSettings
from harness.paths import RunPaths
from harness.study.database import open_to_read, reading_url
from harness.study.study import find_study

LENGTHS = ("steps", "rungs", "warm_start_steps", "warm_discriminator_steps")
"""Training settings that are a profile's alone: nobody else can set them."""


def facts_at_beginning(config: SearchConfig) -> dict[str, Any]:
    """The record's facts of the study that a search goes on with; {} where it is a new one.

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
    """A profile's training settings with the lengths that it had when the study was begun."""
    if begun.get("profile") != profile:
        return train
    return train.but({name: begun["train"][name] for name in LENGTHS})
