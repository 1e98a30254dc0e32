"""Validate the options of `harness train` and resolve them to a plan, before training starts."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.config.best_config import BestConfig, Stage, read_best_config
from harness.config.settings import Direction, TrainSettings, Weights
from harness.config.train_config import TrainConfig
from harness.errors import UserInputError, as_user_input_error
from harness.full_training.folder import check_out_folder
from harness.paths import (
    RunPaths,
    TrainingPaths,
    TrainingStagePaths,
    check_run_dir,
)
from harness.search.pretrained import choose_weights, trunks_of, weights_remark
from harness.search.resolve import choose_objective
from harness.tracking.client import check_tracking_uri, ignored_variable
from reports.commands.recorded_paths import made_pairs_of
from reports.commands.train_py import GUIDE_EPOCHS
from search_spaces.checks import check_combination
from search_spaces.trial_params import TrialParams

if TYPE_CHECKING:
    from harness.data.pairs.prepare import PreparedData
    from harness.training.epochs import Schedule

# How often a stage is scored, and how many checkpoints it saves, by default.
CHECKS = 100
SAVES = 20


@dataclass(frozen=True)
class StagePlan:
    """One stage, ready to run. Most trainings have only one.

    Attributes:
        dataset: the prepared pairs at this stage's size.
        check_every: epochs between two scores.
        save_every: epochs between two saved checkpoints; each of them is scored too.
    """

    number: int
    params: TrialParams
    train: TrainSettings
    schedule: "Schedule"
    dataset: Path
    check_every: int
    save_every: int
    paths: TrainingStagePaths


@dataclass(frozen=True)
class TrainingPlan:
    """A full training, ready to start or to resume.

    Attributes:
        objective: the objective that scores it, as `--objective` names it.
        data: a description of the pairs for the user, one line.
        remarks: sentences for the user, shown first.
        facts: all settings that affect the result; see `claim_folder`.
    """

    config: TrainConfig
    best: BestConfig
    stages: tuple[StagePlan, ...]
    objective: str
    weights: Weights
    device: str
    data: str
    remarks: tuple[str, ...]
    facts: dict[str, Any]

    @property
    def paths(self) -> TrainingPaths:
        return TrainingPaths(self.config.out)

    @property
    def run_paths(self) -> RunPaths:
        return RunPaths(self.config.run_dir)

    @property
    def epochs(self) -> int:
        return sum(stage.schedule.total for stage in self.stages)


def plan_training(config: TrainConfig) -> TrainingPlan:
    """Validate all options and resolve those that are not given.

    Writes only the cache of prepared pairs.

    Raises:
        UserInputError: an option cannot be used.
    """
    best = read_best_config(config.config)
    stages = stages_of(config, best)
    for stage in stages:
        with as_user_input_error(ValueError):
            train = settings_for_stage(stage, best.train)
            check_combination(best.params.n_layers_D, train.model_dump())
    check_out_folder(config.out)
    if config.tracking_uri is None:
        check_run_dir(config.run_dir)
    else:
        check_tracking_uri(config.tracking_uri)
    from harness.trials.devices import resolve_device  # torch: seconds

    device = resolve_device(config.device)
    objective = config.objective or objective_of_search(config.config, best)
    trunks = trunks_of(objective, perceptual=best.params.lambda_perceptual > 0)
    weights = choose_weights(config.weights, trunks)
    choose_objective(objective, weights)
    if config.init_from:
        from harness.training.init_from import check_fits

        first = settings_for_stage(stages[0], best.train)
        check_fits(config.init_from, first, best.params.n_layers_D)
    direction = config.direction or best.provenance.direction
    folder = data_folder(config, best)
    doubts = check_pairs(config, best, direction)
    prepared = [
        prepare(folder, direction, settings_for_stage(stage, best.train), config)
        for stage in stages
    ]
    plans = tuple(
        stage_plan(config, best, number, len(stages), stage, data)
        for number, (stage, data) in enumerate(zip(stages, prepared, strict=True), 1)
    )
    return TrainingPlan(
        config=config,
        best=best,
        stages=plans,
        objective=objective,
        weights=weights,
        device=device,
        data=f"{prepared[0].n_train} + {prepared[0].n_val} pairs of {prepared[0].source}",
        remarks=(
            *doubts,
            *weights_remark(weights, config.weights, trunks),
            *ignored_variable(config.tracking_uri),
        ),
        facts={
            "params": best.params.model_dump(mode="json"),
            "train": best.train.model_dump(mode="json"),
            "stages": [stage.model_dump(mode="json") for stage in stages],
            "lr_policy": config.lr_policy,
            "lr_decay_iters": config.lr_decay_iters,
            "direction": direction,  # before the pairs, whose digest depends on it
            "data": [data.digest for data in prepared],
            "objective": objective,
            "weights": weights,
            "init_from": [str(file.absolute()) for file in config.init_from],
            "seed": config.seed,
            "check_every": [plan.check_every for plan in plans],
            "patience": config.patience,
        },
    )


def objective_of_search(file: Path, best: BestConfig) -> str:
    """The objective of the search, if it is built in.

    Raises:
        UserInputError: it is not: a file must not decide which code is run.
    """
    from objectives.loading import BUILT_IN

    name = best.provenance.objective
    if name not in BUILT_IN:
        raise UserInputError(
            f"{file} was found by the objective {name}, which is not built in and runs code of its "
            f"own: if you trust it, add --objective {name}, else --objective boundary_sharpness."
        )
    return name


def stages_of(config: TrainConfig, best: BestConfig) -> tuple[Stage, ...]:
    """The stages in the file, or else a single one made from the options and the file's `train`.

    Raises:
        UserInputError: options contradict the stages of the file, or a stage has no epochs.
    """
    if best.stages:
        exclusive = ("epochs", "epochs_decay", "load_size", "crop_size")
        given = [name for name in exclusive if getattr(config, name) is not None]
        if given:
            raise UserInputError(
                f"--{given[0].replace('_', '-')} and the stages of {config.config} exclude one "
                "another: change the stages there, or remove them."
            )
        stages = best.stages
    else:
        epochs, decay = (
            GUIDE_EPOCHS if count is None else count
            for count in (config.epochs, config.epochs_decay)
        )
        load, crop = config.load_size or best.train.load_size, config.crop_size
        if crop is None:
            crop = best.train.crop_size
        stages = (
            Stage(
                load_size=load,
                crop_size=crop,
                lr=best.params.lr,
                epochs=epochs,
                epochs_decay=decay,
            ),
        )
    if any(stage.epochs + stage.epochs_decay == 0 for stage in stages):
        raise UserInputError("A training of no epochs trains nothing: raise --epochs.")
    return stages


def settings_for_stage(stage: Stage, train: TrainSettings) -> TrainSettings:
    """The training settings at a stage's picture size, without a window larger than that."""
    window = train.perceptual_window
    if window is not None and window > stage.crop_size:
        window = None
    return train.model_copy(
        update={
            "load_size": stage.load_size,
            "crop_size": stage.crop_size,
            "perceptual_window": window,
        }
    )


def stage_plan(
    config: TrainConfig,
    best: BestConfig,
    number: int,
    count: int,
    stage: Stage,
    data: "PreparedData",
) -> StagePlan:
    from harness.training.epochs import Schedule

    schedule = Schedule(stage.epochs, stage.epochs_decay, config.lr_policy, config.lr_decay_iters)
    check_every = config.check_every or max(1, round(schedule.total / CHECKS))
    save_every = config.save_every or max(1, round(schedule.total / SAVES))
    return StagePlan(
        number=number,
        params=best.params.model_copy(update={"lr": stage.lr}),
        train=settings_for_stage(stage, best.train),
        schedule=schedule,
        dataset=data.file.absolute(),
        check_every=check_every,
        save_every=save_every,
        paths=TrainingPaths(config.out).stage(number, count),
    )


def data_folder(config: TrainConfig, best: BestConfig) -> Path | None:
    """The folder of pairs to train on: the user's, or that of the search. None: built-in pairs.

    Raises:
        UserInputError: the search's folder does not exist.
    """
    searched_on = searched_folder(best)
    if config.data is not None or searched_on is None:
        return config.data
    searched_on = Path(made_pairs_of(str(searched_on), config.config.parent))
    if not searched_on.exists():
        raise UserInputError(
            f"{config.config} was found on the pairs of {searched_on}, which does not exist: name "
            "your pairs with --data DIR."
        )
    return searched_on


def searched_folder(best: BestConfig) -> Path | None:
    """The folder of pairs that the search was given; None if they were built in."""
    name = best.provenance.data
    return None if name is None or name.startswith("built-in") else Path(name)


def check_pairs(config: TrainConfig, best: BestConfig, direction: Direction) -> tuple[str, ...]:
    """Remarks on pairs that the user names; those of the search were checked as it began.

    Raises:
        UserInputError: the pairs are not fit to be trained on.
    """
    if config.data is None:
        return ()
    from harness.data.check.at_start import check_at_start
    from harness.data.pairs.cache import writable_cache
    from harness.data.synthesis.make_pairs import RECORD

    return check_at_start(
        config.data,
        direction,
        chosen=config.direction is not None or searched_folder(best) is not None,
        profile="",
        cache=writable_cache(),
        resumed=TrainingPaths(config.out).settings.exists(),
        made=(config.data / RECORD).exists(),
    )


def prepare(
    folder: Path | None, direction: Direction, train: TrainSettings, config: TrainConfig
) -> "PreparedData":
    from harness.data.pairs.cache import writable_cache
    from harness.data.pairs.prepare import prepare_data

    return prepare_data(
        folder, direction, train, writable_cache(), seed=config.seed, every_pair=True
    )
