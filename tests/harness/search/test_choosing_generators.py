"""Which kinds of generator a search tries, as the user asks for it and as the study was begun."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from driving import with_setup
from portraits import planned, write_pairs

from harness.config.profiles import QUICK
from harness.errors import UserInputError
from harness.search.plan import SearchPlan, too_few_to_move_pixels
from harness.study.study import check_same, create_study
from harness.training.networks import build_generator
from search_spaces.space import load_space
from tests.harness.trials.external.copies import add_plugin, copy_of_pix2pix


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pairs(tmp_path_factory.mktemp("pairs"))


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


def generators(plan: SearchPlan) -> tuple[str, ...]:
    return plan.trial_plan.generators


def test_the_default_search_tries_both_kinds(pairs: Path) -> None:
    plan = planned(pairs)
    assert generators(plan) == ("unet_128", "warp_unet_128")
    assert plan.of_both_kinds
    assert plan.space.text == load_space("default").text == plan.setup.space


def test_a_budget_that_ends_before_pixels_are_moved_is_remarked_on(pairs: Path) -> None:
    sentence = (
        "--budget 8 ends before the recipe warp, whose generator moves pixels; --budget 9 tries it "
        "too."
    )
    assert sentence in planned(pairs, budget=8).remarks
    assert not any("ends before" in remark for remark in planned(pairs, budget=9).remarks)
    plan = replace(planned(pairs, budget=17), finalists=1)  # three settings, three times each
    assert "--budget 18 tries" in too_few_to_move_pixels(plan)[0]


@pytest.mark.parametrize(
    ("asked", "netG"),
    [
        ({"pinned": {"generator": "repaint"}}, "unet_128"),
        ({"pinned": {"generator": "warp"}}, "warp_unet_128"),
        ({"pinned": {"netG": "unet_128"}}, "unet_128"),
        ({"pinned": {"netG": "warp_unet_128"}}, "warp_unet_128"),
        ({"pinned": {"netG": "resnet_6blocks"}}, "resnet_6blocks"),
        ({"space": "narrow"}, "unet_128"),
    ],
)
def test_a_search_can_be_kept_to_one(pairs: Path, asked: dict[str, Any], netG: str) -> None:
    plan = planned(pairs, **asked)
    assert generators(plan) == (netG,)
    assert not plan.of_both_kinds
    assert plan.setup.train.netG == netG
    assert ("warp" in plan.recipes) == netG.startswith("warp_")
    assert not any("generator" in values for values in plan.recipes.values())


def test_no_generator_of_a_kind_is_one_sentence(pairs: Path) -> None:
    with pytest.raises(UserInputError, match=r"netG unet_128 is of generator repaint"):
        planned(pairs, pinned={"generator": "warp", "netG": "unet_128"})


def test_from_scratch_both_are_tried_too(pairs: Path) -> None:
    assert len(generators(planned(pairs, from_scratch=True))) == 2


@pytest.mark.parametrize(
    ("netG", "said"), [("unet_128", "repaints"), ("warp_unet_128", "moves pixels")]
)
def test_with_the_users_own_model_its_kind_alone(
    pairs: Path, tmp_path: Path, netG: str, said: str
) -> None:
    own = tmp_path / "latest_net_G.pth"
    torch.save(build_generator(QUICK.updated({"netG": netG}), 0).state_dict(), own)
    plan = planned(pairs, init_from=(own,))
    assert generators(plan) == (netG,)
    assert any(f"which {said}" in remark for remark in plan.remarks)


def test_a_copy_of_pix2pix_with_our_model_file_tries_both(pairs: Path, tmp_path: Path) -> None:
    repo = copy_of_pix2pix(tmp_path / "pix2pix")
    add_plugin(repo)
    plan = planned(pairs, trainer="external", repo=repo)
    assert generators(plan) == ("unet_128", "warp_unet_128")
    assert plan.space.text == load_space("default").text == plan.setup.space
    assert "warp" in plan.recipes
    assert not any("repaints" in remark for remark in plan.remarks)


def test_a_copy_without_it_repaints_and_the_search_says_how_to_try_both(
    pairs: Path, tmp_path: Path
) -> None:
    repo = copy_of_pix2pix(tmp_path / "my pix2pix")
    plan = planned(pairs, trainer="external", repo=repo)
    assert generators(plan) == ("unet_128",)
    remarks = [remark for remark in plan.remarks if "repaints" in remark]
    assert len(remarks) == 1
    assert not any("VGG" in remark for remark in plan.remarks)  # the copy loads its own
    assert f"harness export --format plugin --repo '{repo}'" in remarks[0]
    kept = planned(pairs, trainer="external", repo=repo, pinned={"generator": "repaint"})
    assert not any("repaints" in remark for remark in kept.remarks)


def test_a_study_in_a_copy_keeps_the_kinds_that_it_began_with(pairs: Path, tmp_path: Path) -> None:
    """Also one that an earlier version began, which tried one kind with our model file too."""
    repo, run_dir = copy_of_pix2pix(tmp_path / "pix2pix"), tmp_path / "runs"
    asked = {"trainer": "external", "repo": repo, "run_dir": run_dir}
    study = begin(run_dir, planned(pairs, **asked))
    add_plugin(repo)
    plan = planned(pairs, **asked)
    check_same(study, plan.setup)
    assert generators(plan) == ("unet_128",)
    assert any("a new study (--study NAME)" in remark for remark in plan.remarks)
    new = planned(pairs, **asked, study="new")
    assert new.of_both_kinds
    create_study(study._storage, "new", new.setup, {})
    (repo / "models" / "pix2pix_warp_model.py").unlink()
    with pytest.raises(UserInputError, match=r"--model pix2pix_warp.*export --format plugin"):
        planned(pairs, **asked, study="new")


OLD_LENGTHS = {
    "steps": 30,
    "rungs": [20, 30],
    "warm_start_steps": 9,
    "warm_discriminator_steps": 4,
    "warm_start_lr_warp": 3e-4,
}


def begin(run_dir: Path, plan: SearchPlan, **train: Any) -> optuna.Study:
    """A study that was begun with other lengths."""
    setup = with_setup(plan, train=train).setup
    run_dir.mkdir()
    database = optuna.storages.RDBStorage(f"sqlite:///{run_dir}/optuna.db")
    return create_study(database, plan.config.study, setup, {})


def test_a_study_goes_on_with_the_lengths_that_it_began_with(pairs: Path, tmp_path: Path) -> None:
    run_dir = tmp_path / "runs"
    study = begin(run_dir, planned(pairs, run_dir=run_dir), **OLD_LENGTHS)
    plan = planned(pairs, run_dir=run_dir)
    check_same(study, plan.setup)
    train = plan.trial_plan.train
    assert (train.steps, train.rungs) == (30, (20, 30))
    assert (train.warm_start_steps, train.warm_discriminator_steps) == (9, 4)
    assert train.warm_start_lr_warp == 3e-4
    # The profile's other settings are still compared.
    with pytest.raises(UserInputError, match=r"\(ngf\), training settings \(ngf 12, now 13\): go"):
        check_same(study, planned(pairs, run_dir=run_dir, pinned={"ngf": "13"}).setup)


def test_a_study_of_an_earlier_version_keeps_its_rate_of_the_warm_start(
    pairs: Path, tmp_path: Path
) -> None:
    run_dir = tmp_path / "runs"
    study = begin(run_dir, planned(pairs, run_dir=run_dir))
    recorded = dict(study.user_attrs["train"])
    assert recorded.pop("warm_start_lr_warp") == QUICK.warm_start_lr_warp != 2e-4
    study.set_user_attr("train", recorded)
    plan = planned(pairs, run_dir=run_dir)
    check_same(study, plan.setup)
    assert plan.trial_plan.train.warm_start_lr_warp == 2e-4


def test_a_study_of_both_kinds_is_another_than_one_of_one(pairs: Path, tmp_path: Path) -> None:
    run_dir = tmp_path / "runs"
    plan = planned(pairs, run_dir=run_dir)
    run_dir.mkdir()
    database = optuna.storages.RDBStorage(f"sqlite:///{run_dir}/optuna.db")
    study = create_study(database, plan.config.study, plan.setup, {})
    check_same(study, planned(pairs, run_dir=run_dir).setup)
    with pytest.raises(UserInputError, match="another space"):
        check_same(study, planned(pairs, run_dir=run_dir, pinned={"generator": "repaint"}).setup)


def test_another_profile_has_its_own_lengths(pairs: Path, tmp_path: Path) -> None:
    run_dir = tmp_path / "runs"
    begin(run_dir, planned(pairs, run_dir=run_dir), **OLD_LENGTHS)
    assert planned(pairs, run_dir=run_dir, profile="standard").trial_plan.train.steps == 1000
    assert planned(pairs, run_dir=run_dir, study="another").trial_plan.train.steps == QUICK.steps
