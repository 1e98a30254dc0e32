"""Read a `best.yaml`, written by a search or by hand."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from harness.config.models import Frozen, unusable_entry
from harness.config.settings import (
    Direction,
    Epochs,
    Side,
    StudyName,
    TrainSettings,
)
from harness.errors import UserInputError
from search_spaces.strict_yaml import read_bounded, read_mapping
from search_spaces.trial_params import TrialParams


class Stage(Frozen):
    """One stage of a progressive training (the guide's method 5); epochs as pix2pix counts them."""

    load_size: Side
    crop_size: Side
    lr: float = Field(gt=0)
    epochs: Epochs
    epochs_decay: Epochs


class Provenance(BaseModel):
    """How the settings were found, as far as a training needs to know."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    data: str | None = None
    direction: Direction = "AtoB"
    objective: str = "boundary_sharpness"
    trainer: str = "builtin"


class BestConfig(BaseModel):
    """Schema 1 of `best.yaml`. Other entries are for people, and ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: Literal[1] = Field(alias="schema")
    study: StudyName = "pix2pix"
    trial: int | None = None
    params: TrialParams
    train: TrainSettings
    stages: tuple[Stage, ...] = Field(default=(), max_length=100)
    provenance: Provenance = Provenance()

    @field_validator("train", mode="before")
    @classmethod
    def without_warm_start(cls, train: Any) -> Any:
        """Drop the trial's warm start, which a full training does not use."""
        if not isinstance(train, dict):
            return train
        return {key: value for key, value in train.items() if key != "warm_start"}


def read_best_config(file: Path) -> BestConfig:
    """Read a `best.yaml`.

    Raises:
        UserInputError: it cannot be read, or an entry is invalid; the message names the entry.
    """
    try:
        return BestConfig.model_validate(read_mapping(read_bounded(file), str(file)))
    except (OSError, UnicodeDecodeError) as error:
        wrong = "is not text"
        if isinstance(error, OSError):
            wrong = f"cannot be read ({error.strerror})"
        raise UserInputError(
            f"{file} {wrong}: name a best.yaml, as a search leaves it in its study's folder."
        ) from error
    except ValidationError as error:
        raise unusable_entry(file, error) from error
    except ValueError as error:
        raise UserInputError(str(error)) from error
