"""From what the user asked `harness train` for to what will be done, checked before it begins."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.config.best_config import BestConfig, Stage, read_best_config
from harness.config.settings import Direction, TrainConfig, TrainSettings, Weights
from harness.errors import UserInputError, for_the_user
from harness.full_training.folder import check_out
from harness.paths import (
    RunPaths,
    TrainingPaths,
    TrainingStagePaths,
    check_run_dir,
)
from harness.search.resolve import choose_objective, choose_weights, weights_remark
from harness.tracking import check_tracking_uri, ignored_variable
from search_spaces.checks import check_combination
from search_spaces.params import TrialParams

if TYPE_CHECKING:
    from harness.data.pairs.prepare import PreparedData
    from harness.training.epochs import Schedule

# The guide's training: so many epochs at the full rate, and as many more while it falls.
GUIDE_EPOCHS = 1000
# A training is scored a hundred times and keeps twenty of its states, unless the user says else.
CHECKS = 100
SAVES = 20


@dataclass(frozen=True)
class StagePlan:
    """One stage, ready to begin. Most trainings have one.

    Attributes:
        dataset: the prepared pairs at this stage's size.
        check_every: epochs between two scores.
        save_every: epochs between two kept checkpoints; each is scored too.
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
    """A full training, ready to begin or to go on.

    Attributes:
        objective: what it is scored by, as `--objective` names it.
        data: one line about the pairs, for people.
        remarks: sentences that the user should read first.
        facts: all that decides the outcome; a folder holds one training only.
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
    """Check everything that the user said, and settle what he left open.

    Writes nothing but the cache of prepared pairs.

    Raises:
        UserInputError: something cannot be used; one sentence says what, where and what to do.
    """
    best = read_best_config(config.config)
    stages = stages_of(config, best)
    for stage in stages:
        check_stage(best, stage)
    check_out(config.out)
    if config.tracking_uri is None:
        check_run_dir(config.run_dir)
    else:
        check_tracking_uri(config.tracking_uri)
    from harness.trials.devices import resolve_device  # torch: seconds

    device = resolve_device(config.device)
    objective = config.objective or trusted_objective(config.config, best)
    weights = choose_weights(config.weights, objective)
    choose_objective(objective, weights)
    if config.init_from:
        from harness.training.init_from import check_fits

        check_fits(config.init_from, sized(best.train, stages[0]), best.params.n_layers_D)
    direction = config.direction or best.provenance.direction
    folder = data_folder(config, best)
    prepared = [prepare(folder, direction, sized(best.train, stage), config) for stage in stages]
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
        remarks=(*weights_remark(weights, objective), *ignored_variable(config.tracking_uri)),
        facts={
            "params": best.params.model_dump(mode="json"),
            "train": best.train.model_dump(mode="json"),
            "stages": [stage.model_dump(mode="json") for stage in stages],
            "lr_policy": config.lr_policy,
            "lr_decay_iters": config.lr_decay_iters,
            "data": [data.digest for data in prepared],
            "direction": direction,
            "objective": objective,
            "weights": weights,
            "init_from": [str(file.absolute()) for file in config.init_from],
            "seed": config.seed,
            "check_every": [plan.check_every for plan in plans],
            "patience": config.patience,
        },
    )


def trusted_objective(file: Path, best: BestConfig) -> str:
    """The search's objective, where it is built in: another would run code that a file names.

    Raises:
        UserInputError: it is not; the user must name it himself.
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
    """The stages that the file names, or the one that the options and its `train` section make.

    Raises:
        UserInputError: options that stages name already, or a training of no epoch.
    """
    if best.stages:
        named = ("epochs", "epochs_decay", "load_size", "crop_size")
        twice = [name for name in named if getattr(config, name) is not None]
        if twice:
            raise UserInputError(
                f"--{twice[0].replace('_', '-')} and the stages of {config.config} exclude one "
                "another: change the stages there, or remove them."
            )
        stages = best.stages
    else:
        epochs, decay = (
            GUIDE_EPOCHS if asked is None else asked
            for asked in (config.epochs, config.epochs_decay)
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


def sized(train: TrainSettings, stage: Stage) -> TrainSettings:
    """The fixed settings at a stage's picture size; a window larger than that looks at all."""
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


def check_stage(best: BestConfig, stage: Stage) -> None:
    with for_the_user(ValueError):
        check_combination(best.params.n_layers_D, sized(best.train, stage).model_dump())


def stage_plan(
    config: TrainConfig,
    best: BestConfig,
    number: int,
    of: int,
    stage: Stage,
    data: "PreparedData",
) -> StagePlan:
    from harness.training.epochs import Schedule

    course = Schedule(stage.epochs, stage.epochs_decay, config.lr_policy, config.lr_decay_iters)
    check_every = config.check_every or max(1, round(course.total / CHECKS))
    save_every = config.save_every or max(1, round(course.total / SAVES))
    return StagePlan(
        number=number,
        params=best.params.model_copy(update={"lr": stage.lr}),
        train=sized(best.train, stage),
        schedule=course,
        dataset=data.file.absolute(),
        check_every=check_every,
        save_every=save_every,
        paths=TrainingPaths(config.out).stage(number, of),
    )


def data_folder(config: TrainConfig, best: BestConfig) -> Path | None:
    """The pairs to train on: the user's, or those of the search. None: the built-in ones.

    Raises:
        UserInputError: the search's are not there any more.
    """
    found_with = best.provenance.data
    if config.data is not None or found_with is None or found_with.startswith("built-in"):
        return config.data
    if not Path(found_with).exists():
        raise UserInputError(
            f"{config.config} was found on the pairs of {found_with}, which is not there: name "
            "your pairs with --data DIR."
        )
    return Path(found_with)


def prepare(
    folder: Path | None, direction: Direction, train: TrainSettings, config: TrainConfig
) -> "PreparedData":
    from harness.data.pairs.cache import writable_cache
    from harness.data.pairs.prepare import prepare_data

    return prepare_data(
        folder, direction, train, writable_cache(), seed=config.seed, every_pair=True
    )
