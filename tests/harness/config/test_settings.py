"""What settings models refuse, and what they say of themselves."""

from pathlib import Path

import pytest

from harness.config.settings import Program, SearchConfig
from harness.errors import UserInputError
from tests.harness.trials.test_trial import make_plan


@pytest.mark.parametrize("name", ["a/b", "a:b", "a.b", "a'b", 'a"b', " ", "a\x1bb"])
def test_names_that_mlflow_refuses_or_misreads_are_no_model_s(name: str) -> None:
    with pytest.raises(UserInputError, match=r"--register-model .* cannot be used: a "):
        SearchConfig(register_model=name)
    assert SearchConfig(register_model="얼굴 v2-b_c").register_model == "얼굴 v2-b_c"


@pytest.mark.parametrize(
    ("words", "continues"),
    [("run {pairs} {out}", False), ("run --g={start_G}", True), ("run {start_D} {out}", True)],
)
def test_a_program_continues_from_what_it_is_given(words: str, continues: bool) -> None:
    described = {"mark": "step", "checkpoint": None, "restored": "r", "log": None, "losses": None}
    places = {"file": Path("a.yaml"), "folder": Path(), "silence": 1.0}
    program = Program.model_validate({**described, **places, "command": words.split()})
    assert program.continues is continues


def test_a_plan_s_generators_begin_with_the_profile_s() -> None:
    both = make_plan(Path("pairs.pt"), Path("study"), other_netG="warp_unet_128")
    assert both.generators == ("unet_128", "warp_unet_128")
    assert make_plan(Path("pairs.pt"), Path("study")).generators == ("unet_128",)
