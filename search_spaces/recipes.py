"""The guide's settings by name: what every study runs first."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from search_spaces.params import TrialParams
from search_spaces.space import Space
from search_spaces.strict_yaml import read_mapping

# The recipe that the guide recommends: what every result is compared with.
RECOMMENDED = "best"


@dataclass(frozen=True)
class Recipe:
    """One of the guide's settings and what the guide means by it."""

    params: TrialParams
    description: str


def read_recipes() -> dict[str, Recipe]:
    """The guide's recipes by name, in the guide's order, with their descriptions."""
    text = (files("search_spaces") / "recipes.yaml").read_text(encoding="utf-8")
    return {
        name: Recipe(TrialParams(**entry["params"]), " ".join(entry["description"].split()))
        for name, entry in read_mapping(text, "The guide's recipes").items()
    }


def load_recipes() -> dict[str, TrialParams]:
    """The guide's recipes by name, in the guide's order."""
    return {name: recipe.params for name, recipe in read_recipes().items()}


def recipe_for_space(recipe: TrialParams, space: Space, train: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe as the values to enqueue in a study of `space`, fixed settings left out.

    Args:
        train: the profile's training settings; a recipe says nothing of those.

    Raises:
        ValueError: the space does not hold it; the sentence names the settings. Such a recipe is
            left out of the study: moved into the space it would be another recipe.
    """
    return space.suggestion(recipe, train)
