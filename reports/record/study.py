"""The typed record of a study, stored as the study's user attributes.

`StudyRecord.of(study)` reads them, `StudyRecord.note(study, ...)` writes them; no other file names
an attribute.
"""

from collections.abc import Mapping
from typing import Any, Literal, Self

from optuna import Study
from optuna.trial import TrialState
from pydantic import (
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from reports.record.baseline import Baseline
from reports.record.finalists import Finalists
from reports.record.format import VERSION, Part, RecordError, Settings
from reports.record.migrations import VERSION_KEY, NewerRecordError, migrated_study
from reports.record.names import moves_pixels
from reports.record.trial import FinalistRun, TrialRecord

Direction = Literal["minimize", "maximize"]

IDENTITY = "identity"
"""A unique id. Names are not unique: they recur in other databases and after a deletion. A study of
ours has its id from its creation."""

CREATION_FINISHED = "created"
"""Written last: without it a study of ours is incomplete, and none of its trials has run."""

OURS = {CREATION_FINISHED, "name", "data", "train"}
"""The attributes by which a study of ours is recognised."""


class Train(Part):
    """The profile's training settings, by pix2pix's names, as far as reports need them.

    They are dumped in the order in which they are stored, which is that of best.yaml.
    """

    model_config = ConfigDict(extra="allow")

    _stored: tuple[str, ...] = ()

    netG: str
    ngf: int
    ndf: int
    norm: str
    dropout: bool
    preprocess: str
    load_size: int
    crop_size: int
    flip: bool
    batch_size: int
    beta1: float
    steps: int
    rungs: list[int]
    precision: Literal["float32", "tf32", "bfloat16"]
    warm_start_steps: int
    warm_discriminator_steps: int
    warm_start_lr_warp: float = 2e-4  # of every study of earlier versions

    @model_validator(mode="wrap")
    @classmethod
    def with_order(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        train = handler(data)
        if isinstance(data, Mapping):
            train._stored = tuple(data)
        return train

    @model_serializer(mode="wrap")
    def in_order(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        dumped: dict[str, Any] = handler(self)
        return {name: dumped[name] for name in self._stored if name in dumped} | dumped

    @property
    def moves(self) -> bool:
        """Whether its generator moves pixels, which an unchanged train.py cannot."""
        return moves_pixels(self.as_data())


class Data(Part):
    """The pairs.

    Attributes:
        folder: the user's folder; None: built-in pairs.
        direction: AtoB: A, the left half, is the retouched picture; BtoA: the reverse.
        n_test: number of pairs that are held out for the finalists.
        n_folder: number of pairs in the folder's train/; None: an earlier version did not count.
        n_drawn: how many of these were drawn for validation or held out.
    """

    digest: str
    source: str
    folder: str | None
    direction: Literal["AtoB", "BtoA"]
    n_train: int
    n_val: int
    n_test: int
    n_folder: int | None = None
    n_drawn: int = 0


class ProgramRecord(Part):
    """The program that runs the trials: its description, and its folders in the last search."""

    file: str
    folder: str
    command: list[str]
    pairs: str
    inputs: str


class RepositoryRecord(Part):
    """The copy of pix2pix that runs the trials.

    Attributes:
        options: the options of its train.py, without dashes.
        models: the values that its --model accepts; None: an earlier version did not record them.
    """

    folder: str
    python: str
    options: list[str]
    models: list[str] | None = None


class Undertaken(Part):
    """What the last search set out to do.

    Attributes:
        trials: total number of the search's own trials.
        runs: total number of finalists' runs.
        jobs: number of workers.
        began: its start, in seconds since 1970.
        options: the options that it was given, as words of a command line, without those of its
            budget and its record; None: an earlier version did not record them.
    """

    trials: int
    runs: int
    jobs: int
    began: float
    options: list[str] | None = None


class Judgement(Part):
    """Which of two trials a person preferred.

    Attributes:
        picture: row of the panels, from 0.
        left, right: numbers of the trials on either side.
    """

    picture: int
    left: int
    right: int
    choice: Literal["left", "right", "same"]


class StudySetup(Part):
    """How the trials of a study are run and scored.

    Attributes:
        direction: whether the headline score is maximised or minimised.
        worst_score: the worst possible score; None if there is none.
        objective: name of the objective that computes the score.
        objectives: a Pareto search's objectives with their directions; None for any other search.
        guards: by how much a component of a winner may exceed that of the guide's recommendation.
        space: the search space as YAML.
        pinned: training settings that the user fixed.
        device: the workers' devices: `cpu`, `cuda:0, cuda:1`.
        warm_start: what trials continue from: `shared`, `init-from`, or `none` (from scratch).
        warm_start_folder: its folder in the last search.
        budget: number of trials; it may be raised.
        created: time of creation, ISO 8601.
    """

    name: str
    direction: Direction
    worst_score: float | None
    objective: str
    objectives: dict[str, Direction] | None
    guards: dict[str, float]
    space: str
    space_name: str
    profile: str
    train: Train
    data: Data
    weights: str
    seed: int
    sampler: str | None
    pruner: str | None
    device: str
    versions: dict[str, str]
    budget: int
    created: str
    host: str
    warm_start: str
    warm_start_folder: str | None
    init_from: list[str]
    trainer: str
    program: ProgramRecord | None
    repository: RepositoryRecord | None
    pinned: Settings


class StudyRecord(Part):
    """Everything that is recorded on a study.

    Attributes:
        ours: its setup; None for a study of another program.
        record_version: version of the record, as last written.
        identity: see `IDENTITY`.
        baseline: None until the workers are prepared.
        finalists: None until the finalists are compared, or if they could not be.
        mlflow_run: MLflow's id of the study's run.
        tracking_uri: MLflow's store in the last search; None: the run folder's own.
        driver: the process of the last search: `process 7 on host`.
        driver_began: the time at which that process started, in seconds since 1970.
        undertaken: None for a study of version 1.
        expected_seconds: duration of the last search, estimated at its start.
        eyes: the user's judgements of pictures, in the order in which they were made.
    """

    ours: StudySetup | None = None
    record_version: int = VERSION
    identity: str | None = None
    baseline: Baseline | None = None
    finalists: Finalists | None = None
    mlflow_run: str | None = None
    tracking_uri: str | None = None
    driver: str | None = None
    driver_began: float | None = None
    undertaken: Undertaken | None = None
    expected_seconds: float | None = None
    eyes: list[Judgement] = Field(default_factory=list)

    @classmethod
    def of(cls, study: Study) -> Self:
        """The record of a study, whatever program created it.

        Raises:
            RecordError: an attribute is missing or wrong; the message names it.
        """
        return cls.of_attributes(study.user_attrs, study.study_name)

    @classmethod
    def of_attributes(cls, attributes: Mapping[str, Any], name: str) -> Self:
        migrated = migrated_study(attributes, name)
        place = f"study {name}"
        ours = StudySetup.read(migrated, place) if attributes.keys() >= OURS else None
        return cls.read(migrated | {"ours": ours}, place)

    @classmethod
    def note(cls, study: Study, **fields: Any) -> None:
        """Store fields of the record, or of its setup.

        Raises:
            RecordError: the record would not be valid, which is a bug.
        """
        stored = {key: as_stored(value) for key, value in fields.items()}
        cls.of_attributes({**study.user_attrs, **stored}, study.study_name)
        for key, value in stored.items():
            study.set_user_attr(key, value)

    @classmethod
    def migrate(cls, study: Study) -> None:
        """Store an earlier version's record in this version's form, before a search resumes."""
        if study.user_attrs.get(VERSION_KEY, 1) == VERSION:
            return
        record = cls.of(study)
        changed = record.setup.as_data()
        if record.finalists is not None:
            changed["finalists"] = record.finalists.as_data()
        for key, value in changed.items():
            if study.user_attrs.get(key, UNSET) != value:
                study.set_user_attr(key, value)
        study.set_user_attr(VERSION_KEY, VERSION)

    @property
    def setup(self) -> StudySetup:
        """The setup of a study of ours.

        Raises:
            RecordError: another program created the study.
        """
        if self.ours is None:
            raise RecordError("The study was not made by harness search: it holds no settings.")
        return self.ours


UNSET = object()


def as_stored(value: Any) -> Any:
    if isinstance(value, list):
        return [as_stored(one) for one in value]
    return value.as_data() if isinstance(value, Part) else value


class RunsRecord(Part):
    """The attributes of the Optuna study that records finalists' runs: whose runs they are."""

    model_config = ConfigDict(extra="forbid")

    finalists_of: str | None = None

    @classmethod
    def of(cls, study: Study) -> Self:
        """The attributes of such a study.

        Raises:
            RecordError: it has other attributes, so it belongs to another program.
        """
        return cls.read(study.user_attrs, f"study {study.study_name}")


def is_ours(study: Study) -> bool:
    """Whether any version of this program created the study, and finished creating it."""
    return study.user_attrs.keys() >= OURS


def is_runs_record(study: Study) -> bool:
    """Whether the study is a record of finalists' runs."""
    marks, trials = study.user_attrs, study.get_trials(deepcopy=False)
    ours = marks.keys() <= RunsRecord.model_fields.keys() and bool(marks or trials)
    return ours and all("finalist" in trial.user_attrs for trial in trials)


def is_incomplete(study: Study) -> bool:
    """Whether the study is one of ours whose creation was interrupted before any trial ran."""
    keys = study.user_attrs.keys()
    known = {IDENTITY, VERSION_KEY, *StudySetup.model_fields}
    ours = IDENTITY in keys and CREATION_FINISHED not in keys and keys <= known
    trials = study.get_trials(deepcopy=False)
    return ours and all(trial.state == TrialState.WAITING for trial in trials)


def check_record(study: Study) -> None:
    """Validate the whole record of a study of ours, including all of its trials.

    Raises:
        RecordError: something is missing or wrong; the message names it, and what to do.
    """
    trials = study.get_trials(deepcopy=False)
    try:
        finalists = StudyRecord.of(study).finalists
        for trial in trials:
            TrialRecord.of(trial)
            values = trial.values or []
            if trial.state == TrialState.COMPLETE and len(values) != len(study.directions):
                raise RecordError(f"trial {trial.number} is complete and has {len(values)} values")
        for row in finalists.of_search if finalists else []:
            if row.trial is not None and not 0 <= row.trial < len(trials):
                raise RecordError(f"there is no trial {row.trial}, which is a finalist")
    except NewerRecordError:
        raise
    except RecordError as error:
        raise damage_error(study.study_name, error) from None


def check_runs(runs: Study) -> None:
    """Validate the record of a study's finalists' runs, like `check_record`."""
    try:
        for trial in runs.get_trials(deepcopy=False):
            FinalistRun.of(trial)
    except RecordError as error:
        raise damage_error(runs.study_name, error) from None


def damage_error(name: str, error: RecordError) -> RecordError:
    return RecordError(
        f"The record of study {name} is damaged: {error}. Restore its database from a copy, or "
        "begin anew with --study NAME."
    )
