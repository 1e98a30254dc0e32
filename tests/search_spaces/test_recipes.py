"""The guide's recipes: its own numbers, and which spaces hold them."""

import pytest

from search_spaces.recipes import load_recipes, read_recipes
from search_spaces.space import load_space
from search_spaces.trial_params import TrialParams
from tests.search_spaces.written import TRAIN

GUIDE = [
    ("problem", 500, 0, 3, "vanilla", 1e-4),
    ("perceptual", 100, 10, 3, "vanilla", 1e-4),
    ("lower_L1", 50, 0, 3, "vanilla", 1e-4),
    ("stronger_D", 100, 0, 4, "vanilla", 1e-4),
    ("lsgan", 100, 0, 3, "lsgan", 1e-4),
    ("progressive", 100, 0, 3, "vanilla", 2e-4),
    ("recommended", 100, 10, 3, "lsgan", 1e-4),
    ("alternative", 50, 0, 4, "lsgan", 1e-4),
]


def test_the_guides_numbers_in_the_guides_order() -> None:
    found = [(name, *params.model_dump().values()) for name, params in load_recipes().items()]
    assert found == GUIDE


def test_one_recipe_after_the_guides_is_not_its_own() -> None:
    *guides, (name, last) = read_recipes().items()
    assert [each for each, _ in guides] == list(load_recipes())
    assert (name, last.of_guide, last.generator) == ("warp", False, "warp")
    assert last.description.startswith("not the guide's")
    assert [*last.params.model_dump().values()] == [100, 10, 3, "lsgan", 2e-4]


def test_every_recipe_is_described() -> None:
    assert all(recipe.description for recipe in read_recipes().values())


@pytest.mark.parametrize("name", ["default", "wide"])
def test_a_broad_space_holds_every_recipe(name: str) -> None:
    space = load_space(name)
    for recipe in load_recipes().values():
        assert space.params(space.suggestion(recipe, TRAIN)) == recipe
        assert space.contains(recipe)
        assert not space.contains(recipe.model_copy(update={"n_layers_D": 6}))


def test_a_narrow_space_names_what_does_not_fit() -> None:
    space = load_space("narrow")
    with pytest.raises(ValueError, match=r"lambda_L1 500 is not in 50..100, lambda_perceptual 0"):
        space.suggestion(load_recipes()["problem"], TRAIN)
    assert space.suggestion(load_recipes()["recommended"], TRAIN)
    space = load_space("narrow", {"lambda_L1": "80"})
    with pytest.raises(ValueError, match=r"is not .*, and excluded by --set lambda_L1=80 \(it has"):
        space.suggestion(load_recipes()["problem"], TRAIN)


def test_a_pinned_setting_is_not_suggested_and_must_agree() -> None:
    space = load_space("default", {"lr": "1e-4"})
    assert "lr" not in space.suggestion(load_recipes()["recommended"], TRAIN)
    with pytest.raises(ValueError, match=r"^excluded by --set lr=1e-4 \(it has 0.0002\)$"):
        space.suggestion(load_recipes()["progressive"], TRAIN)


def test_a_value_between_the_points_of_a_grid_is_not_moved() -> None:
    params = TrialParams(
        lambda_L1=100, lambda_perceptual=11, n_layers_D=3, gan_mode="lsgan", lr=1e-4
    )
    with pytest.raises(ValueError, match=r"lambda_perceptual 11 is not in 0..30 in steps of 2.5"):
        load_space("default").suggestion(params, TRAIN)


def test_a_recipe_has_the_profiles_training_settings() -> None:
    space = load_space("default", {"beta1": "0.5"})
    assert space.suggestion(load_recipes()["recommended"], TRAIN)
    with pytest.raises(ValueError, match=r"^excluded by --set beta1=0.9 \(it has 0.5\)$"):
        load_space("default", {"beta1": "0.9"}).suggestion(load_recipes()["recommended"], TRAIN)


def test_a_recipe_without_a_perceptual_term_is_not_asked_for_its_weight() -> None:
    space = load_space("wide")
    without = space.suggestion(load_recipes()["lsgan"], TRAIN)
    assert without["use_perceptual"] is False
    assert "lambda_perceptual" not in without
    with_it = space.suggestion(load_recipes()["recommended"], TRAIN)
    assert (with_it["use_perceptual"], with_it["lambda_perceptual"]) == (True, 10)
