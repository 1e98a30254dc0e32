"""The typed record of a trial, stored as the trial's user attributes."""

from enum import StrEnum
from functools import lru_cache
from typing import Any, Self

from optuna.trial import FrozenTrial, Trial
from pydantic import ConfigDict, Field

from reports.record.format import Part, Settings
from reports.record.migrations import migrated_trial

CACHED = 4096  # trials; a report reads each trial about ten times


class Cause(StrEnum):
    """Why a trial ended early."""

    PRUNED = "pruned"
    DIVERGED = "diverged"
    OUT_OF_MEMORY = "out_of_memory"  # also when it ran alone: its own settings caused it
    FAILED = "failed"


class RungRecord(Part):
    """A trial's score and losses at one rung.

    Attributes:
        losses: the mean of each loss since the previous rung.
    """

    step: int
    value: float
    components: dict[str, float] = Field(default_factory=dict)
    losses: dict[str, float] = Field(default_factory=dict)


class PictureScore(Part):
    """The score of one picture, with its components; no score if the picture was skipped."""

    model_config = ConfigDict(extra="allow")

    name: str | None = None
    score: float | None = None


class TrialRecord(Part):
    """Everything that is recorded on a trial of a search.

    Attributes:
        recipe: name of the recipe that the trial runs; None for any other trial.
        enqueued: the source of parameters that the user enqueued.
        params: the five settings, including those that the space keeps fixed.
        extras: further training settings that the space varies.
        rungs: the rungs that its last attempt reached.
        components: the score's components at its last rung.
        seconds: its duration, in seconds.
        per_image: the pictures' scores, if it completed.
        score: its headline score, if it completed with several objectives.
        checkpoint: its weights, relative to the study's folder.
        reason: why it ended early, in words; "" if it did not.
        cause: the category of that reason.
    """

    recipe: str | None = None
    enqueued: str | None = None
    params: Settings | None = None
    extras: Settings = Field(default_factory=dict)
    seed: int | None = None
    rungs: list[RungRecord] = Field(default_factory=list)
    components: dict[str, float] = Field(default_factory=dict)
    seconds: float | None = None
    worker: int | None = None
    mlflow_run: str | None = None
    per_image: list[PictureScore] = Field(default_factory=list)
    score: float | None = None
    checkpoint: str | None = None
    reason: str = ""
    cause: Cause | None = Field(default=None, strict=False)

    @classmethod
    def of(cls, trial: FrozenTrial | Trial) -> Self:
        """The record of a trial.

        Raises:
            RecordError: names the attribute that is missing or wrong.
        """
        return cls.cached(SameTrial(trial)) if isinstance(trial, FrozenTrial) else cls.fresh(trial)

    @classmethod
    def fresh(cls, trial: FrozenTrial | Trial) -> Self:
        return cls.read(migrated_trial(trial.user_attrs), f"trial {trial.number}")

    @classmethod
    @lru_cache(maxsize=CACHED)
    def cached(cls, same: "SameTrial") -> Self:
        return cls.fresh(same.trial)

    @classmethod
    def note(cls, trial: Trial, **fields: Any) -> None:
        """Store some fields of a running trial."""
        for key, value in cls.attributes(**fields).items():
            trial.set_user_attr(key, value)


class FinalistRun(TrialRecord):
    """Everything that is recorded on a run of a finalist.

    Attributes:
        finalist: name of the finalist.
        params: all of its settings.
    """

    finalist: str
    params: Settings
    seed: int


def enqueued_params(trial: FrozenTrial) -> dict[str, Any]:
    """The parameters with which Optuna enqueued a trial; {} for any other trial."""
    fixed: dict[str, Any] = trial.system_attrs.get("fixed_params", {})
    return fixed


class SameTrial:
    """A trial as a cache key, equal only to itself: Optuna replaces a trial when it changes."""

    def __init__(self, trial: FrozenTrial) -> None:
        self.trial = trial

    def __hash__(self) -> int:
        return id(self.trial)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SameTrial) and self.trial is other.trial
