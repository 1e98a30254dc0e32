"""Settings by name that every study runs first: the guide's eight, and one that is not its own."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from search_spaces.generators import REPAINT, GeneratorKind, kind_of, of_kind
from search_spaces.params import TrialParams
from search_spaces.space import Space
from search_spaces.strict_yaml import read_mapping

# The recipe that the guide recommends: what every result is compared with.
RECOMMENDED = "best"


@dataclass(frozen=True)
class Recipe:
    """A setting and what is meant by it.

    Attributes:
        generator: the kind it is for; None: the guide's recipes, which say nothing of it.
    """

    params: TrialParams
    description: str
    generator: GeneratorKind | None = None

    @property
    def of_guide(self) -> bool:
        return self.generator is None


def read_recipes() -> dict[str, Recipe]:
    """All recipes by name, the guide's first and in its order, with their descriptions."""
    text = (files("search_spaces") / "recipes.yaml").read_text(encoding="utf-8")
    return {
        name: Recipe(
            TrialParams(**entry["params"]),
            " ".join(entry["description"].split()),
            entry.get("generator"),
        )
        for name, entry in read_mapping(text, "The recipes").items()
    }


def load_recipes() -> dict[str, TrialParams]:
    """The guide's recipes by name, in the guide's order."""
    return {name: recipe.params for name, recipe in read_recipes().items() if recipe.of_guide}


def recipe_for_space(recipe: TrialParams, space: Space, train: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe as the values to enqueue in a study of `space`, fixed settings left out.

    Args:
        train: the profile's training settings; a recipe says nothing of those but the kind of its
            netG, see `generator_for`.

    Raises:
        ValueError: the space does not hold it; the sentence names the settings. Such a recipe is
            left out of the study: moved into the space it would be another recipe.
    """
    return space.suggestion(recipe, train)


def generator_for(recipe: Recipe, space: Space, netG: str) -> str | None:
    """The generator that a recipe is run with in a study of `space`; None: it has no such one.

    The guide's recipes are for generators that repaint, and where a study has one kind alone, they
    are run with that.

    Args:
        netG: the profile's.
    """
    kind = recipe.generator or (REPAINT if space.kinds else kind_of(netG))
    if kind not in (space.kinds or (kind_of(netG),)):
        return None
    return of_kind(netG, kind)
