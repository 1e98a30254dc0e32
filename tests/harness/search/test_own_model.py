"""A study of other networks than the profile's: the user's own model, or what he pins."""

from pathlib import Path
from typing import Any

import pytest
import torch

from harness.config.profiles import QUICK
from harness.config.settings import SearchConfig
from harness.data.pairs.pair_set import Dataset, save_dataset
from harness.errors import UserInputError
from harness.search.plan import plan_search
from harness.training.networks import build_discriminator, build_generator
from harness.trials.messages import TrialTask
from tests.harness.trials.test_trial import KINDS, PARAMS, TRAIN, ignore, make_trials, pairs

RESNET = QUICK.updated({"netG": "resnet_6blocks", "ngf": 4, "ndf": 6, "dropout": False})


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path_factory.getbasetemp() / "own-model-cache"))


def own_model(folder: Path, **settings: Any) -> tuple[Path, Path]:
    """Both networks as pix2pix's DataParallel wrapper saves them."""
    train = RESNET.updated(settings)
    nets = {"G": build_generator(train, 1), "D": build_discriminator(train, 3, 1)}
    files = []
    for name, net in nets.items():
        files.append(folder / f"latest_net_{name}.pth")
        torch.save({f"module.{key}": held for key, held in net.state_dict().items()}, files[-1])
    return files[0], files[1]


def wish(folder: Path, **settings: Any) -> SearchConfig:
    given = {"run_dir": folder / "runs", "weights": "random", "device": "cpu", "profile": "quick"}
    return SearchConfig.model_validate({**given, **settings})


def test_a_study_takes_its_networks_from_the_user_s_model(tmp_path: Path) -> None:
    plan = plan_search(wish(tmp_path, init_from=own_model(tmp_path)))
    told = {"netG": "resnet_6blocks", "ngf": 4, "ndf": 6, "norm": "batch", "dropout": False}
    assert plan.trial_plan.train == QUICK.updated(told)
    assert plan.setup.pinned == told
    assert (plan.setup.warm_start, plan.trial_plan.warm_start) == ("init-from", "shared")
    assert "recommended" in plan.recipes


def test_what_is_pinned_holds_for_the_shared_warm_start_too(tmp_path: Path) -> None:
    pins = {"netG": "resnet_9blocks", "ngf": "4", "norm": "instance", "beta1": "0.9"}
    plan = plan_search(wish(tmp_path, pinned=pins))
    wanted = {"netG": "resnet_9blocks", "ngf": 4, "norm": "instance", "beta1": 0.9}
    assert plan.trial_plan.train == QUICK.updated(wanted)
    assert plan.trial_plan.warm_start == "shared"
    # The guide says nothing of these: its settings are tried with them.
    assert len(plan.recipes) == 8


def test_trials_of_it_begin_with_its_weights(tmp_path: Path) -> None:
    files = own_model(tmp_path)
    own = {"netG": "resnet_6blocks", "ngf": 4, "ndf": 6, "dropout": False}
    # The discriminators are not trained on, to be seen as they begin.
    train = TRAIN.updated({**own, "warm_discriminator_steps": 0})
    file = tmp_path / "pairs.pt"
    save_dataset(Dataset(pairs(2, 0), pairs(2, 1), pairs(1, 2), "digest"), file)
    trials = make_trials(file, tmp_path / "study", train=train, init_from=files)
    trials.prepare(ignore)
    generator, _ = trials.networks(TrialTask(0, PARAMS, seed=0))
    wanted = build_generator(RESNET, 1).state_dict()
    assert all(torch.equal(held, wanted[name]) for name, held in generator.named_parameters())
    discriminators = trials.warm_start(TRAIN.netG).discriminators
    assert set(discriminators) == set(KINDS)
    wanted = build_discriminator(RESNET, 3, 1).state_dict()
    begun = discriminators[3, "vanilla"]  # as deep as the user's, for whatever loss his was
    assert all(torch.equal(begun[name], held) for name, held in wanted.items())
    rungs: list[float] = []
    assert trials.run(TrialTask(0, PARAMS, 0), lambda rung: not rungs.append(rung.value))
    assert len(rungs) == len(train.rungs)


REFUSALS: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"netG": "unet_256"}, {}, r"unet_256 needs a crop_size .*standard 256"),
    ({}, {"pinned": {"ngf": "8"}}, r"latest_net_G\.pth does not fit .* ngf 8"),
    ({}, {"pinned": {"ndf": "8"}}, r"latest_net_D\.pth does not fit .* ndf 8"),
    (
        {"netG": "warp_unet_128"},
        {"pinned": {"netG": "unet_128"}},
        r"latest_net_G\.pth is a warp_unet_128, which moves pixels, and netG is unet_128, which "
        r"repaints pixels: name a latest_net_G\.pth of a unet_128, or train with netG warp_",
    ),
    (
        {"netG": "unet_128"},
        {"pinned": {"netG": "warp_unet_128"}},
        r"latest_net_G\.pth is a unet_128, which repaints pixels, and netG is warp_unet_128, which "
        "moves pixels",
    ),
    ({}, {"from_scratch": True}, "exclude one another"),
]


@pytest.mark.parametrize(("model", "options", "said"), REFUSALS)
def test_what_does_not_fit_is_refused_and_nothing_is_written(
    tmp_path: Path, model: dict[str, Any], options: dict[str, Any], said: str
) -> None:
    files = own_model(tmp_path, **model)
    with pytest.raises(UserInputError, match=said):
        plan_search(wish(tmp_path, init_from=files, **options))
    assert not (tmp_path / "runs").exists()


def test_networks_in_the_wrong_order_are_said_by_name(tmp_path: Path) -> None:
    generator, discriminator = own_model(tmp_path)
    with pytest.raises(UserInputError, match=r"latest_net_D\.pth is not .* generator"):
        plan_search(wish(tmp_path, init_from=(discriminator, generator)))
    with pytest.raises(UserInputError, match=r"latest_net_G\.pth is not .* discriminator"):
        plan_search(wish(tmp_path, init_from=(generator, generator)))


def test_a_generator_too_narrow_for_the_warm_start_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserInputError, match=r"ngf 8 is too narrow .* --from-scratch"):
        plan_search(wish(tmp_path, pinned={"ngf": "8"}))
    plan_search(wish(tmp_path, pinned={"ngf": "8"}, from_scratch=True))
