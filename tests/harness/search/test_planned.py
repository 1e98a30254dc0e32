"""What a planned search hands on to its workers, number by number; and a planned training."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from portraits import planned, write_best, write_pairs

from harness.config.best_config import Stage
from harness.config.profiles import PROFILES
from harness.config.settings import TrainSettings
from harness.config.train_config import TrainConfig
from harness.errors import UserInputError
from harness.full_training.plan import plan_training, settings_for_stage
from harness.full_training.train import mlflow_params, opening_lines
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


def planned_training(folder: Path, pairs: Path | None, **asked: Any) -> Any:
    if not (folder / "best.yaml").exists():
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


Prepared = list[tuple[Any, ...]]


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch) -> Prepared:
    """What is asked of pairs, which are not prepared."""
    asked: Prepared = []

    def prepare_data(
        data: Path, direction: str, train: TrainSettings, cache: Path, **rest: Any
    ) -> Any:
        asked.append((data, direction, train.load_size, train.crop_size, rest))
        digest = f"{direction} {train.load_size}"
        return SimpleNamespace(
            file=Path("pairs"), digest=digest, n_train=30, n_val=4, source="faces", **rest
        )

    monkeypatch.setattr("harness.data.pairs.prepare.prepare_data", prepare_data)
    monkeypatch.setattr("harness.data.check.at_start.check_at_start", lambda *_, **__: ("Note.",))
    return asked


def test_the_pairs_of_a_full_training_are_checked_for_what_they_are(
    tmp_path: Path, pairs: Path, prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, bool, bool, bool]] = []

    def check_at_start(data: Path, direction: str, **given: Any) -> tuple[str, ...]:
        assert (data, given["profile"]) == (pairs_of, "")
        asked.append((direction, given["chosen"], given["resumed"], given["made"]))
        return ()

    monkeypatch.setattr("harness.data.check.at_start.check_at_start", check_at_start)
    pairs_of = tmp_path / "pairs"
    pairs_of.mkdir()
    planned_training(tmp_path, pairs_of, direction=None)
    planned_training(tmp_path, pairs_of, direction="BtoA")
    (pairs_of / "made.jsonl").touch()
    planned_training(tmp_path, pairs_of)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "training.yaml").touch()
    write_best(tmp_path / "best.yaml", provenance={"data": str(pairs), "direction": "BtoA"})
    planned_training(tmp_path, pairs_of, direction=None)
    assert asked == [
        ("AtoB", False, False, False),
        ("BtoA", True, False, False),
        ("AtoB", True, False, True),
        ("BtoA", True, True, True),
    ]


def test_a_window_of_the_perceptual_loss_is_never_larger_than_the_pictures() -> None:
    stage = Stage(load_size=80, crop_size=64, lr=1e-4, epochs=1, epochs_decay=0)
    for window, expected in ((None, None), (48, 48), (64, 64), (65, None)):
        train = PROFILES["quick"].model_copy(update={"perceptual_window": window})
        changed = settings_for_stage(stage, train)
        assert changed.perceptual_window == expected
        assert (changed.load_size, changed.crop_size) == (80, 64)


def test_a_full_training_uses_every_pair_in_the_direction_of_the_search(
    tmp_path: Path, pairs: Path, prepared: Prepared
) -> None:
    """And the pairs of the search, unless others are named."""
    stages = [
        {"load_size": 136, "crop_size": 128, "lr": 3e-4, "epochs": 3, "epochs_decay": 5},
        {"load_size": 256, "crop_size": 256, "lr": 1e-4, "epochs": 7, "epochs_decay": 9},
    ]
    write_best(
        tmp_path / "best.yaml",
        stages=stages,
        provenance={"data": str(pairs), "direction": "BtoA", "objective": "boundary_sharpness"},
    )
    plan = planned_training(tmp_path, None, direction=None, seed=5)
    rest = {"seed": 5, "every_pair": True}
    assert prepared == [(pairs, "BtoA", 136, 128, rest), (pairs, "BtoA", 256, 256, rest)]
    assert plan.facts["data"] == ["BtoA 136", "BtoA 256"]
    assert plan.epochs == 24
    assert [stage.paths.folder.name for stage in plan.stages] == ["stage1", "stage2"]
    assert "Note." not in plan.remarks  # the search has checked these pairs
    params = mlflow_params(plan)
    assert params["seed"] == 5
    assert {name: value for name, value in params.items() if "/" in name} == {
        "stage1/lr": 3e-4, "stage1/crop_size": 128, "stage1/epochs": 3, "stage1/epochs_decay": 5,
        "stage2/lr": 1e-4, "stage2/crop_size": 256, "stage2/epochs": 7, "stage2/epochs_decay": 9,
    }  # fmt: skip
    with pytest.raises(UserInputError, match=r"--crop-size and the stages of .*best\.yaml exclude"):
        planned_training(tmp_path, None, crop_size=128)
    planned_training(tmp_path, tmp_path, direction="AtoB", epochs=None)
    assert [asked[:2] for asked in prepared[2:]] == [(tmp_path, "AtoB")] * 2


def test_a_full_training_begins_with_what_will_be_trained(
    tmp_path: Path, pairs: Path, prepared: Prepared
) -> None:
    plan = planned_training(tmp_path, pairs, epochs=30, epochs_decay=10, lr_policy="cosine")
    assert opening_lines(plan) == (
        f"Training {tmp_path / 'best.yaml'}: L1 100, perceptual 5, 2 layers, lsgan, lr 4e-4; "
        "unet_128, ngf 4; on cpu, weights random.",
        f"30 + 4 pairs of faces. Everything goes to {tmp_path / 'out'}",
        "Note.",
        *plan.remarks[1:],
    )
    params = mlflow_params(plan)
    assert (params["epochs"], params["epochs_decay"], params["crop_size"]) == (30, 10, 128)
    assert (params["lr"], params["seed"], params["n_layers_D"]) == (4e-4, 0, 2)


@pytest.mark.parametrize(
    "changed",
    [
        *({"epochs": 7}, {"epochs_decay": 7}, {"load_size": 144}, {"crop_size": 256}),
        *({"lr_policy": "step"}, {"lr_decay_iters": 7}, {"direction": "BtoA"}, {"seed": 1}),
        *({"objective": "boundary_sharpness_vgg"}, {"check_every": 7}, {"patience": 7}),
        {"init_from": [Path("latest_net_G.pth")]},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_a_training_is_continued_with_all_that_decides_its_result(
    tmp_path: Path,
    pairs: Path,
    prepared: Prepared,
    changed: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """How often checkpoints are kept, and where it runs, decide nothing."""
    monkeypatch.setattr("harness.training.init_from.check_fits", lambda *_: None)
    usual = planned_training(tmp_path, pairs, load_size=256).facts
    assert planned_training(tmp_path, pairs, **{"load_size": 256, **changed}).facts != usual
    assert planned_training(tmp_path, pairs, load_size=256, save_every=7).facts == usual
