"""What a `best.yaml` need not say, and the profile that is chosen where none is named."""

from pathlib import Path

import pytest

from harness.config.best_config import Provenance, read_best_config
from harness.config.profiles import PROFILES, choose_profile
from harness.errors import UserInputError
from tests.harness.portraits import write_best


def test_what_a_file_does_not_say_is_as_a_search_has_it(tmp_path: Path) -> None:
    read = read_best_config(write_best(tmp_path / "best.yaml", provenance={"weights": "random"}))
    expected = {"data": None, "direction": "AtoB", "objective": "boundary_sharpness"}
    assert read.provenance == Provenance(**expected, trainer="builtin")  # type: ignore[arg-type]
    assert read.stages == ()


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
