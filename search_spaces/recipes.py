"""Named settings that every study tries first: the guide's eight recipes, and one of ours."""

from dataclasses import dataclass
from importlib.resources import files

from search_spaces.generators import REPAINT, GeneratorKind, generator_of_kind, kind_of
from search_spaces.space import Space
from search_spaces.strict_yaml import read_mapping
from search_spaces.trial_params import TrialParams


@dataclass(frozen=True)
class Recipe:
    """Named parameters with a description.

    Attributes:
        generator: the kind of generator that the recipe is for; None for the guide's recipes.
    """

    params: TrialParams
    description: str
    generator: GeneratorKind | None = None

    @property
    def of_guide(self) -> bool:
        return self.generator is None


def read_recipes() -> dict[str, Recipe]:
    """All recipes by name, the guide's first and in its order."""
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


def generator_for(recipe: Recipe, space: Space, netG: str) -> str | None:
    """The netG that a recipe runs with in a study of `space`; None if the study lacks its kind.

    The guide's recipes are for generators that repaint, but a study with a single kind of generator
    runs them with that one.

    Args:
        netG: the profile's generator.
    """
    kind = recipe.generator or (REPAINT if space.kinds else kind_of(netG))
    if kind not in (space.kinds or (kind_of(netG),)):
        return None
    return generator_of_kind(netG, kind)
