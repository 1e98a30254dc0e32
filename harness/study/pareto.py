"""`--pareto`: sharpness and similarity as two objectives, instead of one score.

`boundary_sharpness` is exp(-(D + E + Lrel)): it combines how sharp a picture is and how similar it
looks to the original (LPIPS). A Pareto search keeps the two apart, and finds the parameters that no
others dominate.
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

    Sharpness is exp(-(D + E)), in (0, 1]: 1 if the region has exactly the original's detail.
    """
    return [math.exp(-(components["D"] + components["E"])), components["lpips"]]


def check_pareto(config: SearchConfig) -> None:
    """Reject options that do not fit two objectives.

    Raises:
        UserInputError: a custom objective, which has no such components, or CMA-ES, which is
            single-objective.
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
