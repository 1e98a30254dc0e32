"""The generator that moves pixels, in a trial, in `harness restore`, and in what is exported."""

import shlex
from pathlib import Path

import numpy as np
import pytest
import torch

from harness.config.best_config import read_best_config
from harness.config.settings import SearchConfig
from harness.data.files.photograph import Photograph
from harness.data.pairs.pair_set import Dataset, save_dataset
from harness.errors import UserInputError
from harness.evaluation.restore import load_generator
from harness.evaluation.restore_by_field import find_maps, move_pixels
from harness.training.networks import WarpUnet, build_generator
from harness.trials.external.trainer import choose_trainer
from harness.trials.messages import TrialTask
from reports.export.best_yaml import as_script, as_yaml, best_config
from search_spaces.space import load_space
from tests.harness.trials.test_trial import PARAMS, TRAIN, ignore, make_trials, pairs
from tests.synthetic_studies import make_study

MOVING = TRAIN.updated({"netG": "warp_unet_128", "ngf": 4})


def test_a_trial_of_it_from_the_shared_warm_start(tmp_path: Path) -> None:
    file = tmp_path / "pairs.pt"
    save_dataset(Dataset(pairs(4, 0), pairs(3, 1), pairs(1, 2), "digest"), file)
    trials = make_trials(file, tmp_path / "study", train=MOVING)
    baseline = trials.prepare(ignore)
    # It begins as the identity, and has hardly left it.
    assert baseline.warm_start == pytest.approx(baseline.noop, abs=0.02)
    result = trials.run(TrialTask(0, PARAMS, 0), lambda _: True)
    assert result is not None
    assert result.checkpoint is not None
    generator, multiple = load_generator(result.checkpoint)
    assert isinstance(generator, WarpUnet)
    assert multiple == 128
    _, score = trials.val(generator)
    assert score.value == pytest.approx(result.rung.value, abs=1e-6)


def test_trained_alone_on_one_pair_it_undoes_the_warp(tmp_path: Path) -> None:
    """Far above the input unchanged, which repainting does not reach in as many steps."""
    train = MOVING.updated({"ngf": 4, "steps": 60, "rungs": (60,), "ema_decay": 0.9, "flip": False})
    file = tmp_path / "pairs.pt"
    one = pairs(1, 0)
    save_dataset(Dataset(one, one, pairs(0, 0), "digest"), file)
    trials = make_trials(file, tmp_path / "study", train=train, warm_start="none")
    noop = trials.prepare(ignore).noop
    params = PARAMS.model_copy(update={"lr": 1e-3, "gan_mode": "lsgan"})
    result = trials.run(TrialTask(0, params, 0), lambda _: True)
    assert result is not None
    assert result.rung.value > noop + 0.05


def test_an_untrained_one_returns_every_byte(tmp_path: Path) -> None:
    file = tmp_path / "net_G.pth"
    torch.save(build_generator(MOVING, 0).state_dict(), file)
    generator, multiple = load_generator(file)
    random = np.random.default_rng(1)
    for height, width in ((150, 90), (40, 300), (1, 1)):
        picture = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
        maps = find_maps(generator, picture, multiple, torch.device("cpu"))
        restored = move_pixels(Photograph(picture, "RGB"), maps, 255)[0]
        assert (restored == picture).all()


def test_what_is_exported_trains_it_here_and_is_read_back(tmp_path: Path) -> None:
    """No train.py has such a generator by itself: a command that named one would not run."""
    study = make_study(12)
    study.set_user_attr("train", study.user_attrs["train"] | {"netG": "warp_unet_128"})
    config = best_config(study)
    for key in ("command", "full_command"):
        assert "train.py" not in config[key]
        assert "plugin" not in config[key]
        assert shlex.split(config[key].replace("\\\n", ""))[:5] == [
            "harness",
            "train",
            "best.yaml",
            "--data",
            "./pairs",
        ]
    assert "harness export --format plugin --repo DIR" in " ".join(config["needs"])
    assert "train.py" not in as_script(config).split("set -eu")[1]
    file = tmp_path / "best.yaml"
    file.write_text(as_yaml(config), encoding="utf-8")
    assert read_best_config(file).train.netG == "warp_unet_128"


def test_the_user_s_program_cannot_be_told_to_train_it(tmp_path: Path) -> None:
    file = tmp_path / "program.yaml"
    config = SearchConfig(trainer="external", repo=file, run_dir=tmp_path)
    with pytest.raises(UserInputError, match="warp_unet_128 moves pixels"):
        choose_trainer(config, load_space("default"), MOVING)
