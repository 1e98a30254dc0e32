"""What a planned search hands on to its workers, number by number; and a planned training."""

from pathlib import Path
from typing import Any

import pytest
import torch
from portraits import planned, write_best, write_pairs

from harness.config.profiles import PROFILES
from harness.config.settings import TrainSettings
from harness.config.train_config import TrainConfig
from harness.full_training.plan import plan_training
from harness.training.networks import build_generator
from harness.trials.devices import Slots

PIX2PIX = {  # the reference's own defaults
    "netD": "n_layers",
    "norm": "batch",
    "dropout": True,
    "init_type": "normal",
    "init_gain": 0.02,
    "preprocess": "scale_width_and_crop",
    "flip": True,
    "batch_size": 1,
    "beta1": 0.5,
    "precision": "float32",
    "ema_decay": 0.98,
}
FIVE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")


def sizes(netG: str, width: int, side: int) -> dict[str, Any]:
    return {"netG": netG, "ngf": width, "ndf": width, "load_size": side, "crop_size": side}


MEASURED = {
    "quick": {
        **sizes("unet_128", 12, 128),
        "steps": 200,
        "rungs": (100, 125, 150, 175, 200),
        "ema_every": 4,
        "perceptual_layers": FIVE_LAYERS[:2],
        "perceptual_window": 48,
        "warm_start_steps": 900,
        "warm_discriminator_steps": 100,
        "warm_start_lr_warp": 4e-4,
    },
    "standard": {
        **sizes("unet_256", 64, 256),
        "steps": 1000,
        "rungs": (400, 550, 700, 850, 1000),
        "ema_every": 1,
        "perceptual_layers": FIVE_LAYERS,
        "perceptual_window": None,
        "warm_start_steps": 6000,
        "warm_discriminator_steps": 1000,
        "warm_start_lr_warp": 2e-4,
    },
    "full": {
        **sizes("unet_256", 64, 512),
        "steps": 2500,
        "rungs": (1000, 1375, 1750, 2125, 2500),
        "ema_every": 1,
        "perceptual_layers": FIVE_LAYERS,
        "perceptual_window": None,
        "warm_start_steps": 12000,
        "warm_discriminator_steps": 1500,
        "warm_start_lr_warp": 2e-4,
    },
}


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pairs(tmp_path_factory.mktemp("pairs"))


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.mark.parametrize("profile", MEASURED)
def test_a_profile_is_what_it_was_measured_as(pairs: Path, profile: str) -> None:
    plan = planned(pairs, profile=profile)
    assert plan.trial_plan.train == TrainSettings.model_validate({**PIX2PIX, **MEASURED[profile]})
    assert plan.setup.train.as_data() == plan.trial_plan.train.model_dump(mode="json")
    assert PROFILES.keys() == MEASURED.keys()


def test_a_finalist_trains_half_as_long_again_and_is_scored_where_a_trial_ends() -> None:
    longer = PROFILES["quick"].longer(1.5)
    assert (longer.steps, longer.rungs) == (300, (200, 300))
    assert longer.updated({"steps": 200, "rungs": PROFILES["quick"].rungs}) == PROFILES["quick"]


def test_workers_get_what_the_user_said(pairs: Path, tmp_path: Path) -> None:
    """And what he left open is as the documentation has it."""
    plan = planned(
        pairs,
        run_dir=tmp_path / "runs",
        study="mine",
        seed=7,
        direction="BtoA",
        pinned={"beta1": "0.9", "n_layers_D": "2", "gan_mode": "vanilla"},
        budget=48,
    )
    trial = plan.trial_plan
    assert trial.folder == (tmp_path / "runs" / "mine").absolute()
    assert (trial.seed, trial.weights, trial.device) == (7, "random", "cpu")
    assert trial.objective == "boundary_sharpness"
    assert (trial.warm_start, trial.init_from, trial.external) == ("shared", (), None)
    assert trial.train.beta1 == 0.9
    # The guide's recommendation is confirmed beside the leaders wherever the space excludes it.
    assert trial.discriminators == ((2, "vanilla"), (3, "lsgan"))
    assert plan.setup.data.direction == "BtoA"
    assert (plan.setup.data.n_train, plan.setup.data.n_val) == (3, 2)
    assert plan.setup.pinned == {"beta1": 0.9}
    assert plan.setup.warm_start == "shared"
    assert (plan.config.sampler, plan.config.pruner) == ("tpe", "asha")
    assert (plan.config.repeats, plan.config.max_failures) == (3, 10)


def test_workers_find_what_was_named_from_the_folder_of_the_command(
    pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They run in another one."""
    own = tmp_path / "latest_net_G.pth"
    torch.save(build_generator(PROFILES["quick"], 0).state_dict(), own)
    (tmp_path / "mine").symlink_to(pairs)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HARNESS_CACHE", "cache")
    plan = planned(Path("mine"), run_dir="runs", init_from=(own.name,))
    trial = plan.trial_plan
    assert trial.folder == tmp_path / "runs" / "mine"
    assert trial.init_from == (own,)
    assert trial.dataset.is_relative_to(tmp_path / "cache")
    assert plan.setup.data.folder == str(tmp_path / "mine")
    assert plan.setup.init_from == [str(own)]
    assert plan.setup.warm_start_folder == str(plan.paths.warm_start.folder.absolute())


def test_workers_on_gpus_are_those_that_were_placed(
    pairs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed = ("cuda:2", ("cuda:2", "cuda:0"), Slots(jobs=2, most=6, threads=3))
    monkeypatch.setattr("harness.search.resolve.choose_placement", lambda _: placed)
    plan = planned(pairs, profile="standard", jobs="auto")
    assert (plan.jobs, plan.most_jobs, plan.devices) == (2, 6, ("cuda:2", "cuda:0"))
    trial = plan.trial_plan
    assert (trial.device, trial.threads, trial.train.precision) == ("cuda:2", 3, "tf32")
    assert plan.setup.device == "cuda:2, cuda:0"
    assert any("until two have shown what memory they need" in note for note in plan.remarks)


def test_a_start_from_nothing_and_a_pareto_search_are_handed_on(pairs: Path) -> None:
    plan = planned(pairs, from_scratch=True, pareto=True, pruner="asha")
    assert plan.trial_plan.warm_start == "none"
    assert plan.config.pruner == "none"  # of two values none is pruned by one
    assert plan.setup.objectives == {"sharpness": "maximize", "lpips": "minimize"}


def test_the_recommendation_is_run_first_and_the_budget_pays_for_its_confirmation(
    tmp_path: Path,
) -> None:
    pairs = write_pairs(tmp_path / "pairs")
    for name in ("test", "masks/test"):
        (pairs / name).mkdir()
        for number in range(2):
            source = pairs / name.replace("test", "val") / f"val{number}.png"
            (pairs / name / f"test{number}.png").write_bytes(source.read_bytes())
    plan = planned(pairs, budget=50)
    assert list(plan.recipes) == [
        "recommended", "problem", "perceptual", "lower_L1", "stronger_D", "lsgan", "progressive",
        "alternative", "warp",
    ]  # fmt: skip
    assert plan.finalists == 3
    # The best three, the best that repaints, and the guide's recommendation.
    assert plan.search_budget == 50 - 5 * 3
    of_one_kind = planned(pairs, budget=50, pinned={"generator": "repaint"})
    assert of_one_kind.search_budget == 50 - 4 * 3
    assert plan.setup.data.n_test == 2


def planned_training(folder: Path, pairs: Path, **asked: Any) -> Any:
    write_best(folder / "best.yaml")
    given = {
        "config": folder / "best.yaml",
        "out": folder / "out",
        "data": pairs,
        "weights": "random",
        "device": "cpu",
        "run_dir": folder / "runs",
        "direction": "AtoB",
    }
    return plan_training(TrainConfig.model_validate({**given, **asked}))


def test_a_full_training_is_the_guide_s_unless_said_otherwise(tmp_path: Path, pairs: Path) -> None:
    plan = planned_training(tmp_path, pairs)
    (stage,) = plan.stages
    schedule = stage.schedule
    assert (schedule.epochs, schedule.epochs_decay, schedule.policy) == (1000, 1000, "linear")
    assert plan.epochs == schedule.total == 2000
    # A hundred scores, twenty kept states, an end after twenty scores without a better one.
    assert (stage.check_every, stage.save_every, plan.config.patience) == (20, 100, 20)
    assert stage.params.lr == 4e-4


def test_a_full_training_is_as_long_as_was_asked_for(tmp_path: Path, pairs: Path) -> None:
    plan = planned_training(
        tmp_path, pairs, epochs=30, epochs_decay=10, lr_policy="step", lr_decay_iters=7
    )
    (stage,) = plan.stages
    schedule = stage.schedule
    assert (schedule.epochs, schedule.epochs_decay) == (30, 10)
    assert (schedule.policy, schedule.decay_iters) == ("step", 7)
    assert (stage.check_every, stage.save_every) == (1, 2)
    plan = planned_training(tmp_path, pairs, epochs=0, check_every=3, save_every=5)
    (stage,) = plan.stages
    assert (stage.schedule.epochs, stage.schedule.epochs_decay) == (0, 1000)
    assert (stage.check_every, stage.save_every) == (3, 5)
