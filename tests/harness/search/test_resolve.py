"""Earlier results that are enqueued: none is passed over, none is tried twice."""

from pathlib import Path
from typing import Any

import pytest

from harness.config.options import parse_pins
from harness.config.profiles import QUICK, STANDARD
from harness.config.settings import SearchConfig
from harness.errors import UserInputError
from harness.search.resolve import (
    choose_earlier,
    choose_finalists,
    choose_generators,
    choose_recipes,
    read_space,
    threads_for,
)
from search_spaces.space import load_space
from tests.harness.portraits import write_best

SPACE = load_space("wide")


def test_results_of_one_name_from_different_runs_are_all_enqueued(tmp_path: Path) -> None:
    """Two people's study and trial of the same name hold different settings."""
    weights = (60.0, 70.0, 80.0)
    files = tuple(
        write_best(tmp_path / f"{weight}.yaml", params={"lambda_L1": weight}) for weight in weights
    )
    found = choose_earlier(files, SPACE, QUICK)
    assert list(found) == ["portraits t003", "portraits t003 (2)", "portraits t003 (3)"]
    assert [values["lambda_L1"] for values in found.values()] == list(weights)


def test_settings_that_are_enqueued_twice_are_refused(tmp_path: Path) -> None:
    one, other = (write_best(tmp_path / name) for name in ("a.yaml", "b.yaml"))
    for files in ((one, one), (one, other)):
        with pytest.raises(
            UserInputError, match=r"[ab]\.yaml has the same settings as a file named befor"
        ):
            choose_earlier(files, SPACE, QUICK)


@pytest.mark.parametrize(
    ("space", "found", "named"),
    [
        ("narrow", {"netG": "warp_unet_128"}, "generator warp is not repaint"),
        ("narrow", {"flip": False}, "flip false is not true"),
        ("default", {"beta1": 0.9, "batch_size": 4}, "beta1 0.9 is not 0.5, batch_size 4 is not 1"),
        ("default", {"netG": "warp_unet_256", "ngf": 64}, ""),  # of another profile
        ("wide", {"beta1": 0.9}, ""),
    ],
)
def test_an_earlier_result_is_refused_where_its_trial_would_be_another(
    tmp_path: Path, space: str, found: dict[str, Any], named: str
) -> None:
    params = {"n_layers_D": 3, "lr": 1e-4}
    file = write_best(tmp_path / "best.yaml", params=params, train=found)
    if not named:
        assert choose_earlier((file,), load_space(space), QUICK)
        return
    with pytest.raises(UserInputError, match=f"best.yaml is outside space {space}: {named}: sear"):
        choose_earlier((file,), load_space(space), QUICK)


def test_a_kind_of_generator_that_was_set_is_named_where_it_excludes_an_earlier_result(
    tmp_path: Path,
) -> None:
    file = write_best(tmp_path / "best.yaml", train={"netG": "warp_unet_128"})
    config = SearchConfig(pinned={"generator": "repaint"})
    space, train, _ = choose_generators(config, read_space(config), QUICK, None)
    with pytest.raises(
        UserInputError, match=r"is excluded by --set generator=repaint \(it has warp"
    ):
        choose_earlier((file,), space, train)


def test_small_networks_train_with_one_thread_and_others_with_all() -> None:
    assert [threads_for(train, 8) for train in (QUICK, STANDARD)] == [1, 8]


def test_a_recipe_that_is_left_out_is_the_guide_s_or_ours() -> None:
    space = load_space("default", {"lr": "0.0003"})
    _, remarks = choose_recipes(space, QUICK)
    of_guide = [remark.startswith("The guide's recipe ") for remark in remarks]
    assert (of_guide.count(True), of_guide.count(False)) == (8, 1)
    assert remarks[-1].startswith("The recipe warp is left out: ")


@pytest.mark.parametrize("entries", [["lr=1", "lr=2"], ["lr=1", "lr=1"], ["lr=1", " lr =2"]])
def test_a_setting_that_is_pinned_twice_is_refused(entries: list[str]) -> None:
    with pytest.raises(UserInputError, match="--set lr is given twice, as 1 and as "):
        parse_pins(entries)


@pytest.mark.parametrize(
    ("budget", "repeats", "finalists"), [(48, 3, 3), (47, 3, 0), (64, 4, 3), (63, 4, 0)]
)
def test_a_winner_is_confirmed_by_a_quarter_of_the_budget(
    budget: int, repeats: int, finalists: int
) -> None:
    """Three settings and the recommendation, each as often as is said."""
    found, remarks = choose_finalists(SearchConfig(budget=budget, repeats=repeats), n_test=12)
    assert found == finalists
    assert bool(remarks) is (finalists == 0)
