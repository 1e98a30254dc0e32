"""`--pareto`: the two sides of the score weighed against one another, instead of their sum.

`boundary_sharpness` is exp(-(D + E + Lrel)): how sharp a picture is, and how like the original it
looks (LPIPS), in one number. A Pareto search keeps them apart, and finds the settings that no other
beats in both.
"""

import math
from collections.abc import Mapping
from typing import Literal

from harness.config.settings import SearchConfig
from harness.errors import UserInputError

OBJECTIVES: dict[str, Literal["maximize", "minimize"]] = {
    "sharpness": "maximize",
    "lpips": "minimize",
}


def values_of(components: Mapping[str, float]) -> list[float]:
    """A trial's values in the order of `OBJECTIVES`, from its score's components.

    Sharpness is exp(-(D + E)), in (0, 1]: 1 where the region has all of the original's detail and
    no more.
    """
    return [math.exp(-(components["D"] + components["E"])), components["lpips"]]


def check_pareto(config: SearchConfig) -> None:
    """Refuse what cannot be weighed so.

    Raises:
        UserInputError: another objective has not these two sides, and CMA-ES knows one value only.
    """
    if ":" in config.objective:
        raise UserInputError(
            f"--pareto weighs the two sides of boundary_sharpness, which --objective "
            f"{config.objective} does not have: leave one of them out."
        )
    if config.sampler == "cmaes":
        raise UserInputError(
            "--pareto has two values to improve, and --sampler cmaes knows one: use tpe, gp, qmc "
            "or random."
        )
