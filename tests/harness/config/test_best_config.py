"""What a `best.yaml` need not say, and the profile that is chosen where none is named."""

import math
import re
from pathlib import Path
from typing import Any

import pytest

from harness.config.best_config import Provenance, read_best_config
from harness.config.profiles import PROFILES, choose_profile
from harness.errors import UserInputError
from tests.harness.portraits import write_best


def test_what_a_file_does_not_say_is_as_a_search_has_it(tmp_path: Path) -> None:
    read = read_best_config(write_best(tmp_path / "best.yaml", provenance={"weights": "random"}))
    expected = {"data": None, "direction": "AtoB", "objective": "boundary_sharpness"}
    assert read.provenance == Provenance(**expected, trainer="builtin")  # type: ignore[arg-type]
    assert (read.stages, read.study, read.trial) == ((), "portraits", 3)
    assert (read.train.batch_size, read.train.beta1, read.train.flip) == (1, 0.5, True)


STAGE = {"load_size": 136, "crop_size": 128, "lr": 1e-4, "epochs": 1, "epochs_decay": 1}
UNUSABLE: list[tuple[str, Any, str]] = [
    ("params", {"lr": math.inf}, "params.lr"),
    ("params", {"lr": 0}, "params.lr"),
    ("params", {"lambda_L1": math.nan}, "params.lambda_L1"),
    ("params", {"lambda_perceptual": -1}, "params.lambda_perceptual"),
    ("params", {"n_layers_D": 0}, "params.n_layers_D"),
    ("params", {"lambda_l1": 5}, "params.lambda_l1"),
    ("train", {"init_gain": math.inf}, "train.init_gain"),
    ("train", {"ema_decay": 1}, "train.ema_decay"),
    ("train", {"ema_every": 0}, "train.ema_every"),
    ("train", {"steps": 0}, "train.steps"),
    ("train", {"beta1": 1}, "train.beta1"),
    ("train", {"batch_size": 0}, "train.batch_size"),
    ("train", {"load_size": 0}, "train.load_size"),
    ("stages", [STAGE, STAGE | {"lr": 0}], "stages.1.lr"),
    ("stages", [STAGE] * 101, "stages"),
    ("provenance", {"direction": "BtoC"}, "provenance.direction"),
]


@pytest.mark.parametrize(("entry", "value", "named"), UNUSABLE)
def test_what_nothing_can_be_trained_with_is_named(
    entry: str, value: Any, named: str, tmp_path: Path
) -> None:
    file = write_best(tmp_path / "best.yaml", **{entry: value})
    with pytest.raises(UserInputError, match=re.escape(f"{file}: {named} cannot be used: ")):
        read_best_config(file)


def test_what_is_no_text_is_named(tmp_path: Path) -> None:
    file = tmp_path / "best.yaml"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserInputError, match=r"best\.yaml is not text: name a best\.yaml, as a se"):
        read_best_config(file)
    with pytest.raises(UserInputError, match=r"cannot be read \(Is a directory\): name a best"):
        read_best_config(tmp_path)


@pytest.mark.parametrize(
    ("asked", "device", "chosen"),
    [
        ("auto", "cpu", "quick"),
        ("auto", "cuda", "standard"),
        ("auto", "cuda:1", "standard"),
        ("quick", "cuda:0", "quick"),
        ("full", "cpu", "full"),
    ],
)
def test_a_profile_is_chosen_by_the_device_unless_it_is_named(
    asked: str, device: str, chosen: str
) -> None:
    assert choose_profile(asked, device) == (chosen, PROFILES[chosen])
