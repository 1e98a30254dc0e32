"""Validate explicit options and resolve `auto` ones: one function per option.

They raise `UserInputError` for an invalid option.
"""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.config.profiles import PROFILES, choose_profile
from harness.config.settings import Precision, SearchConfig, TrainSettings, Weights
from harness.data.files.processes import available_cores
from harness.errors import UserInputError, as_user_input_error
from harness.trials.external.plugin import has_warp
from reports.commands.train_py import quoted
from reports.record.names import RECOMMENDED, trial_name
from search_spaces.distributions import format_value
from search_spaces.generators import GENERATOR, MOVING, WARP, generator_of_kind, kind_of
from search_spaces.recipes import generator_for, load_recipes, read_recipes
from search_spaces.space import Space, load_space
from search_spaces.trial_params import EXTRAS, FROM_SCRATCH, GanMode, GeneratorName

if TYPE_CHECKING:
    from harness.trials.devices import Slots
    from objectives.score import Goal
    from reports.record.study import StudySetup

    Placement = tuple[str, tuple[str, ...], Slots]

# `--finalists auto`: how many settings are confirmed, and the largest share of the budget for it.
FINALISTS = 3
FINAL_SHARE = 0.25
FINAL_SHARE_OF_BOTH = 0.3  # if the best that repaints is a finalist too
# Crop size in pixels times ngf: at 128 x 12 a step with two threads takes as long as with one.
SMALL = 128 * 32


def choose_placement(config: SearchConfig) -> "Placement":
    """The device of a trial (cpu, cuda:0), the workers' devices in turn, and their number."""
    from harness.trials.devices import (
        allocate_cluster_slots,
        allocate_slots,
        mps_is_running,
        resolve_devices,
    )

    jobs = None if config.jobs == "auto" else config.jobs
    if config.launcher == "ray":
        from harness.trials.launchers.ray import connect, resources

        connect(config.address)
        device, slots = allocate_cluster_slots(resources(), config.device, jobs, config.per_gpu)
        return device, (f"{device} on ray",), slots
    if config.address is not None:
        raise UserInputError(f"--address {config.address} is for --launcher ray.")
    devices = resolve_devices(config.device)  # torch: seconds
    slots = allocate_slots(devices, jobs, config.per_gpu, available_cores(), mps_is_running())
    return devices[0], devices, slots


def packing_remark(config: SearchConfig, slots: "Slots", device: str) -> tuple[str, ...]:
    """A message about how many trials run at a time on a GPU, if that is chosen automatically."""
    auto = config.launcher == "local" and config.jobs == "auto" and config.per_gpu is None
    if device == "cpu" or not auto:
        return ()
    if slots.most > slots.jobs:
        return (
            "One trial at a time on each GPU until two have shown what memory they need; then as "
            "many as it holds, since NVIDIA's MPS runs.",
        )
    return (
        "One trial at a time on each GPU: without NVIDIA's MPS they take turns (--per-gpu N: N).",
    )


def threads_for(train: TrainSettings, most: int) -> int:
    """CPU threads of one training; below `SMALL`, a second thread gains nothing."""
    return 1 if train.crop_size * train.ngf < SMALL else most


def warm_start_threads(
    train: TrainSettings, config: SearchConfig, device: str, slots: "Slots"
) -> int:
    """CPU threads of the warm start: on a CPU all cores, since no trial runs yet."""
    on_this_cpu = config.launcher == "local" and device == "cpu"
    return threads_for(train, available_cores() if on_this_cpu else slots.threads)


def read_space(config: SearchConfig) -> Space:
    with as_user_input_error(ValueError):
        return load_space(config.space, config.pinned)


def check_space(space: Space, train: TrainSettings, unshared: bool) -> None:
    """Reject a space that cannot be trained.

    Args:
        unshared: whether trials share no warm start, so that their networks may differ.
    """
    try:
        space.check_against(train.model_dump())
    except ValueError as error:
        sizes = ", ".join(f"{name} {each.crop_size}" for name, each in PROFILES.items())
        raise UserInputError(f"{error} (Crop sizes are the --profile's: {sizes}.)") from error
    if not unshared:
        with as_user_input_error(ValueError):
            space.check_shared_start(train.netG)


def choose_train(name: str, device: str) -> tuple[str, TrainSettings]:
    """The name and the training settings of a profile; `auto` depends on the device."""
    if name != "auto" and name not in PROFILES:
        raise UserInputError(f"--profile {name} is no profile: use auto, {', '.join(PROFILES)}.")
    return choose_profile(name, device)


def choose_precision(config: SearchConfig, device: str, recorded: Precision | None) -> Precision:
    """Resolve `--precision`: TF32 on a GPU, float32 on a CPU; a resumed study keeps its own.

    Args:
        recorded: that of the resumed study; None for a new study.

    Raises:
        UserInputError: the device has no TF32, or another program trains.
    """
    if config.precision == "auto":
        if config.trainer == "external":
            return recorded or "float32"
        return recorded or ("float32" if device == "cpu" else "tf32")
    if config.trainer == "external":
        raise UserInputError(
            f"--precision {config.precision} is for the built-in trainer: your own program decides "
            "in which precision it trains."
        )
    if config.precision == "tf32" and device == "cpu":
        raise UserInputError(
            "--precision tf32 is for GPUs, and this search runs on the CPU: use float32 or "
            "bfloat16."
        )
    return config.precision


def on_device(train: TrainSettings, device: str) -> TrainSettings:
    """The training settings as they are computed there: a CPU has no TF32."""
    if train.precision == "tf32" and device == "cpu":
        return train.updated({"precision": "float32"})
    return train


def choose_objective(name: str, weights: Weights) -> "Goal":
    """The objective's own description of its goal."""
    from objectives.loading import goal_of

    with as_user_input_error(ValueError, FileNotFoundError):
        return goal_of(name, weights)


def check_start(config: SearchConfig, train: TrainSettings, unshared: bool) -> None:
    """Reject networks that cannot continue from the trials' shared start.

    Args:
        unshared: whether trials share none.

    Raises:
        UserInputError: the user's model has another architecture, or the generator is too narrow.
    """
    from harness.training.init_from import check_fits
    from harness.training.networks import COPY_CHANNELS, UNET_DOWNS

    if config.init_from:
        check_fits(config.init_from, train)
    elif not unshared and train.netG in UNET_DOWNS and train.ngf < COPY_CHANNELS:
        raise UserInputError(
            f"ngf {train.ngf} is too narrow for the shared warm start, which begins by passing the "
            f"picture on: use {COPY_CHANNELS} or more, or --from-scratch."
        )


def choose_pinned(config: SearchConfig, space: Space) -> dict[str, Any]:
    """Training settings that override the profile's in every trial: the architecture of the user's
    model, and what the space or `--set` fixes.

    Raises:
        UserInputError: the user's model is invalid, or `--from-scratch` is given too.
    """
    if not config.init_from:
        return space.pinned
    if config.from_scratch:
        raise UserInputError(
            "--init-from and --from-scratch exclude one another: continue from your model, or "
            "train from nothing."
        )
    from harness.training.init_from import networks_of

    return {**networks_of(config.init_from), **space.pinned}


def choose_generators(
    config: SearchConfig, space: Space, train: TrainSettings, recorded: "StudySetup | None"
) -> tuple[Space, TrainSettings, tuple[str, ...]]:
    """Resolve whether the search tries both kinds of generator.

    Args:
        recorded: the setup of the resumed study; None for a new study.

    Returns:
        The space, which contains the choice only if both are tried; the training settings with the
        netG of a single kind; and a message if a kind cannot be tried.

    Raises:
        UserInputError: there is no generator of the requested kind.
    """
    no_choice = space.without(GENERATOR)
    if len(space.kinds) == 1:
        with as_user_input_error(ValueError):
            netG = generator_of_kind(train.netG, space.kinds[0])
            return no_choice, train.updated({"netG": netG}), ()
    if not space.kinds:
        return no_choice, train, ()
    if config.init_from:
        kind = "moves pixels" if kind_of(train.netG) == WARP else "repaints"
        remark = f"Every trial continues from your model, which {kind}: no other kind is tried."
        return no_choice, train, (remark,)
    if train.netG not in MOVING.values():
        return no_choice, train, ()
    if config.repo is not None and not tries_both(config.repo, space, recorded):
        return no_choice, train, how_to_try_both(config.repo, config.study)
    return space, train, ()


def tries_both(repo: Path, space: Space, recorded: "StudySetup | None") -> bool:
    """Whether a search with the user's own program tries both kinds of generator.

    A copy of pix2pix moves pixels only with our model file. A resumed study keeps its own choice.
    """
    if recorded is not None and recorded.repository is not None:
        return recorded.space == space.text
    return has_warp(repo)


def how_to_try_both(repo: Path, study: str) -> tuple[str, ...]:
    """A message to the user of a copy of pix2pix that does not try both kinds of generator."""
    if not repo.is_dir():
        return ()  # a program that a YAML file describes
    if has_warp(repo):
        return (
            f"Every trial of study {study} repaints, as it began: a new study (--study NAME) tries "
            "generators that move pixels, too.",
        )
    return (
        f"Every trial repaints, since {repo} has no model that moves pixels: harness export "
        f"--format plugin --repo {quoted(str(repo))} adds one, and a new study then tries both "
        "kinds of generator.",
    )


def other_generator(space: Space, train: TrainSettings) -> GeneratorName | None:
    """The generator of the other kind than the profile's; None if the study has one kind."""
    other: list[Any] = [
        generator_of_kind(train.netG, kind) for kind in space.kinds if kind != kind_of(train.netG)
    ]
    return other[0] if other else None


def choose_recipes(
    space: Space, train: TrainSettings
) -> tuple[dict[str, dict[str, Any]], tuple[str, ...]]:
    """The recipes inside the space, and a message for each one outside.

    The recommended one comes first, as the baseline of the others' guards.
    """
    inside: dict[str, dict[str, Any]] = {}
    left_out = []
    recipes = read_recipes()
    for name, recipe in {RECOMMENDED: recipes[RECOMMENDED], **recipes}.items():
        netG = generator_for(recipe, space, train.netG)
        if netG is None:
            continue
        try:
            inside[name] = space.suggestion(recipe.params, {**train.model_dump(), "netG": netG})
        except ValueError as error:  # clipped to the space, it would be a different recipe
            of = "The guide's recipe" if recipe.of_guide else "The recipe"
            left_out.append(f"{of} {name} is left out: {error}.")
    return inside, tuple(left_out)


def discriminators(space: Space) -> tuple[tuple[int, GanMode], ...]:
    """All discriminators (`n_layers_D`, `gan_mode`) of trials and finalists.

    The recommended recipe is always a finalist, even if it lies outside the space.
    """
    recommended = load_recipes()[RECOMMENDED]
    kinds = {*space.discriminators, (recommended.n_layers_D, recommended.gan_mode)}
    return tuple(sorted(kinds))


def final_runs(finalists: int, repeats: int, both: bool = False) -> int:
    """Runs of the finalists and the recommended recipe; 0 if there are no finalists.

    Args:
        both: whether the search tries both kinds of generator, so that the best that repaints is
            also a finalist.
    """
    return (finalists + both + 1) * repeats if finalists else 0


def choose_finalists(
    config: SearchConfig, n_test: int, both: bool = False, no_baseline: str = ""
) -> tuple[int, tuple[str, ...]]:
    """Resolve how many settings are confirmed at the end, with a message if none can be.

    Args:
        both: as in `final_runs`.
        no_baseline: why the setting to compare with cannot be trained; "" if it can.

    Raises:
        UserInputError: there are no held-out pairs, the budget is too small for that number, or
            there is nothing to compare with.
    """
    finalists = FINALISTS if config.finalists == "auto" else config.finalists
    runs = final_runs(finalists, config.repeats, both)
    share = FINAL_SHARE_OF_BOTH if both else FINAL_SHARE
    if config.finalists == "auto":
        if not n_test:
            return 0, (
                "The winner will not be confirmed: no pairs are held out from the search (put some "
                "into test/, or give more different pictures).",
            )
        if no_baseline:
            return 0, (f"The winner will not be confirmed: {no_baseline}.",)
        if runs > config.budget * share:
            return 0, (
                f"The winner will not be confirmed: that takes {runs} runs, {share:.0%} of a "
                f"budget of {math.ceil(runs / share)}; or say how many with --finalists K.",
            )
        return FINALISTS, ()
    if config.finalists and not n_test:
        raise UserInputError(
            f"--finalists {config.finalists}: no pairs are held out from the search to confirm "
            "them on; put some into test/, give more different pictures, or use --finalists 0."
        )
    if config.finalists and no_baseline:
        raise UserInputError(
            f"--finalists {config.finalists}: {no_baseline}; add it, or use --finalists 0."
        )
    if runs >= config.budget:
        raise UserInputError(
            f"--finalists {config.finalists} with --repeats {config.repeats} takes {runs} runs of "
            f"a budget of {config.budget}: raise --budget, or lower one of them."
        )
    return config.finalists, ()


def choose_earlier(
    files: tuple[Path, ...], space: Space, train: TrainSettings
) -> dict[str, dict[str, Any]]:
    """`--enqueue`: earlier results as parameters to enqueue, by the name of their source.

    Args:
        train: this search's training settings, which its trials have unless the space varies them.

    Raises:
        UserInputError: a file cannot be read, or its settings are outside the space or those of
            another file.
    """
    from harness.config.best_config import read_best_config

    found: dict[str, dict[str, Any]] = {}
    for file in files:
        best = read_best_config(file)
        name = best.study if best.trial is None else f"{best.study} {trial_name(best.trial)}"
        try:
            values = space.suggestion(best.params, best.train.model_dump())
            check_fixed_settings(space, train, best.train)
        except ValueError as error:
            raise UserInputError(
                f"--enqueue {file} is {error}: search a space that holds it, or leave it out."
            ) from error
        if values in found.values():
            raise UserInputError(
                f"--enqueue {file} has the same settings as a file named before it: leave one out."
            )
        same_name = sum(other == name or other.startswith(f"{name} (") for other in found)
        found[f"{name} ({same_name + 1})" if same_name else name] = values
    return found


def check_fixed_settings(space: Space, train: TrainSettings, found: TrainSettings) -> None:
    """Reject an earlier result that differs in a setting which this search does not vary.

    The networks may differ in size, as they do between profiles.

    Raises:
        ValueError: the message names every such setting.
    """
    fixed = [name for name in EXTRAS if name not in FROM_SCRATCH and name not in space.parameters]
    if not space.kinds and "netG" not in space.parameters:
        fixed.append(GENERATOR)
    ours, theirs = (
        {**settings.model_dump(), GENERATOR: kind_of(settings.netG)} for settings in (train, found)
    )
    if differences := [
        (name, theirs[name], format_value(ours[name]))
        for name in fixed
        if ours[name] != theirs[name]
    ]:
        raise ValueError(space.refusal(differences))
