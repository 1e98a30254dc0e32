"""Names of trials, recipes, searched settings and generators, and those of earlier versions."""

from collections.abc import Mapping
from typing import Any, Literal

PhaseName = Literal["search", "final"]
"""The search, scored on the validation pairs; or its finalists, longer and on the test pairs."""

RECOMMENDED = "recommended"
"""The recipe that the guide recommends: the baseline of every comparison."""
BLURRING = "problem"
"""The guide's recipe for what blurs today."""
MOVING = "warp"
"""Our own recipe: the recommended weights on a generator that moves pixels."""

PARAMS = ("lambda_L1", "lambda_perceptual", "n_layers_D", "gan_mode", "lr")
"""The five searched settings, in the order of the record, the tables and the figures."""

WARM_START, OTHER_WARM_START = "warm_start", "warm_start_warp"
"""The panels of the shared warm start, and of that of the other kind of generator."""

MOVES = "warp_"
"""Prefix of the generators that move pixels; in train.py they are a model of their own."""

EARLIER_NAME = "best"
"""What version 0.1 called the recommended recipe."""


def renamed(noted: Any) -> Any:
    """Data that a study noted on its recipes and finalists, under the recipes' current names.

    Studies of version 0.1 are read through this function; their records stay as they are.
    """
    if isinstance(noted, dict):
        return {key: renamed(value) for key, value in noted.items()}
    if isinstance(noted, list):
        return [renamed(value) for value in noted]
    if isinstance(noted, str):
        spelled_out = noted.replace(f"{EARLIER_NAME}-recipe", f"the guide's {RECOMMENDED} setting")
        return RECOMMENDED if noted == EARLIER_NAME else spelled_out
    return noted


def trial_name(number: int, phase: PhaseName = "search") -> str:
    """`t037`, or `f03` for a run of a finalist."""
    return f"t{number:03d}" if phase == "search" else f"f{number:02d}"


def moves_pixels(settings: Mapping[str, Any]) -> bool:
    """Whether the generator of these settings moves pixels; a copy then needs our model file."""
    return str(settings.get("netG", "")).startswith(MOVES)
