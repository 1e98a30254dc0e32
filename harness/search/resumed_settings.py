"""Settings that a resumed study keeps from its start, whatever this version's defaults are."""

from contextlib import suppress
from pathlib import Path

from harness.config.settings import SearchConfig, TrainSettings
from harness.errors import UserInputError
from harness.paths import RunPaths
from harness.study.database import open_to_read, reading_url
from harness.study.study import find_study, validated
from reports.record.study import StudyRecord, StudySetup

LENGTHS = ("steps", "rungs", "warm_start_steps", "warm_discriminator_steps", "warm_start_lr_warp")
"""Training settings that only the profile can set."""


def recorded_setup(config: SearchConfig) -> StudySetup | None:
    """The recorded metadata of the study that a search resumes; None for a new study.

    Raises:
        UserInputError: the database cannot be opened, or the study's record is damaged.
    """
    storage = open_to_read(config.storage or reading_url(RunPaths(config.run_dir).optuna_db))
    if storage is None:
        return None
    try:
        study = find_study(storage, config.study)
        return StudyRecord.of(validated(study)).setup if study else None
    finally:
        storage.engine.dispose()


def has_same_data(config: SearchConfig, recorded: StudySetup) -> bool:
    """Whether a study was begun on this data: the same folder, or the same content elsewhere."""
    data = recorded.data
    if config.data is None or data.folder is None:
        return False
    if Path(data.folder) == config.data.absolute():
        return True
    from harness.data.pairs.cache import writable_cache
    from harness.data.pairs.prepare import prepare_data

    train = TrainSettings.model_validate(recorded.train.as_data())
    with suppress(UserInputError):  # pairs that these settings cannot use are not the study's
        prepared = prepare_data(
            config.data, data.direction, train, writable_cache(), config.skip_bad, config.seed
        )
        return prepared.digest == data.digest
    return False


def with_recorded_lengths(
    recorded: StudySetup | None, profile: str, train: TrainSettings
) -> TrainSettings:
    """A profile's training settings, with the lengths that it had when the study was begun."""
    if recorded is None or recorded.profile != profile:
        return train
    return train.updated({name: getattr(recorded.train, name) for name in LENGTHS})
