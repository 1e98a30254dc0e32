"""Names of trials, recipes, searched settings and generators, including earlier versions' names."""

from collections.abc import Mapping
from typing import Any, Literal

PhaseName = Literal["search", "final"]
"""The search, scored on the validation pairs; or the longer finalists' runs, on the test pairs."""

RECOMMENDED = "recommended"
"""The recipe that the guide recommends: the baseline of every comparison."""
BLURRING = "problem"
"""The guide's recipe for the setting that blurs."""
MOVING = "warp"
"""Our own recipe: the recommended weights on a generator that moves pixels."""

COMPARED = "compared"
"""The name of a comparison's space; its study has no search."""

PARAMS = ("lambda_L1", "lambda_perceptual", "n_layers_D", "gan_mode", "lr")
"""The five searched settings, in the order of the record, the tables and the figures."""

WARM_START, OTHER_WARM_START = "warm_start", "warm_start_warp"
"""The panels of the shared warm start, and of the other kind of generator's warm start."""

MOVES = "warp_"
"""Prefix of generators that move pixels; in train.py they belong to a model of their own."""

EARLIER_NAME = "best"
"""What version 0.1 called the recommended recipe."""


def renamed(data: Any) -> Any:
    """A study's recorded data about recipes and finalists, with the recipes' current names.

    Studies of version 0.1 are read through this function; their records are not changed.
    """
    if isinstance(data, dict):
        return {key: renamed(value) for key, value in data.items()}
    if isinstance(data, list):
        return [renamed(value) for value in data]
    if isinstance(data, str):
        spelled_out = data.replace(f"{EARLIER_NAME}-recipe", f"the guide's {RECOMMENDED} setting")
        return RECOMMENDED if data == EARLIER_NAME else spelled_out
    return data


def trial_name(number: int, phase: PhaseName = "search") -> str:
    """`t037`, or `f03` for a run of a finalist."""
    return f"t{number:03d}" if phase == "search" else f"f{number:02d}"


def moves_pixels(settings: Mapping[str, Any]) -> bool:
    """Whether these settings' generator moves pixels, for which train.py needs our model file."""
    return str(settings.get("netG", "")).startswith(MOVES)
