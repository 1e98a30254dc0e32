"""Objectives by name: the built-in ones, and the user's own as `package.module:factory`."""

import importlib
import math
import os
import sys
from collections.abc import Callable
from typing import Any

from torch import Tensor

from objectives.boundary_sharpness import BoundarySharpness
from objectives.lpips import TRUNKS, Net
from objectives.score import (
    Goal,
    NothingToScoreError,
    Objective,
    Reference,
    Score,
    Scorer,
    UserObjectiveError,
)

# The LPIPS network of each built-in objective.
BUILT_IN: dict[str, Net] = {
    "boundary_sharpness": "alex",
    "boundary_sharpness_vgg": "vgg",
    "boundary_sharpness_squeeze": "squeeze",
}


def load_objective(name: str, weights: str, device: str) -> Objective:
    """A built-in objective, or what a module's `factory(weights=..., device=...)` returns.

    Modules are looked up in the current folder, too.

    Args:
        name: one of `BUILT_IN`, or "package.module:factory".
        weights: "pretrained" or "random".
        device: a torch device.

    Raises:
        ValueError: the module or factory does not exist, or its result is not an
            `objectives.score.Objective`.
    """
    if name in BUILT_IN:
        return BoundarySharpness(weights, device, BUILT_IN[name])
    module_name, colon, factory_name = name.partition(":")
    if not (module_name and colon and factory_name):
        raise ValueError(
            f"--objective {name} is neither {', '.join(BUILT_IN)} nor of the form "
            "package.module:factory."
        )
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # whatever the user's own module raises
        raise ValueError(
            f"--objective {name}: the module {module_name} cannot be imported ({first_line(error)})"
            "; install it, or put it into the current folder."
        ) from error
    factory = getattr(module, factory_name, None)
    if not callable(factory):
        raise ValueError(f"--objective {name}: {module_name} has no callable {factory_name}.")
    try:
        objective = factory(weights=weights, device=device)
    except Exception as error:  # whatever the user's own factory raises
        raise ValueError(
            f"--objective {name}: {factory_name} failed ({first_line(error)}); it is called with "
            "weights= and device=."
        ) from error
    return UserObjective(name, validate_objective(name, objective))


class UserObjective(Objective):
    """A user's own objective, whose results are validated.

    Its scorers raise `UserObjectiveError` if the user's code fails, or returns something other than
    a score with one row per picture.
    """

    def __init__(self, option: str, objective: Objective) -> None:
        self.option = option
        self.objective = objective
        self.name, self.direction = objective.name, objective.direction
        self.value_range, self.weights = objective.value_range, objective.weights

    def against(self, reference: Reference) -> Scorer:
        score = self.guarded(self.objective.against)(reference)
        return lambda restored: self.validate_score(self.guarded(score)(restored), reference.names)

    def guarded(self, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def called(argument: Reference | Tensor) -> Any:
            try:
                return function(argument)
            except NothingToScoreError:
                raise
            except Exception as error:  # whatever the user's own code raises
                raise UserObjectiveError(
                    f"--objective {self.option} failed ({type(error).__name__}: "
                    f"{first_line(error)})."
                ) from error

        return called

    def validate_score(self, score: Any, names: tuple[str, ...]) -> Score:
        if not isinstance(score, Score):
            raise UserObjectiveError(
                f"--objective {self.option} gives a {type(score).__name__} for pictures: it must "
                "return what objectives.score.aggregate makes of their rows."
            )
        if [row.get("name") for row in score.per_image] != list(names):
            raise UserObjectiveError(
                f"--objective {self.option} must give one row for each of the {len(names)} "
                f"pictures, with its name, in their order; it gives {len(score.per_image)}."
            )
        return score


def trunk_of(name: str) -> str:
    """The LPIPS network of an objective, as `objectives.weights` names it."""
    return TRUNKS[BUILT_IN.get(name, "alex")]


def first_line(error: Exception) -> str:
    """The first line of an exception's message, or its type."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def goal_of(name: str, weights: str) -> Goal:
    """The direction and worst score that an objective declares; a user's own is created first.

    Raises:
        ValueError: see `load_objective`.
    """
    objective = BoundarySharpness if name in BUILT_IN else load_objective(name, weights, "cpu")
    low, high = objective.value_range
    worst = low if objective.direction == "maximize" else high
    return Goal(objective.direction, worst if math.isfinite(worst) else None)


def validate_objective(name: str, candidate: Any) -> Objective:
    """Validate that `candidate` has the attributes of an objective; return it.

    Raises:
        ValueError: an attribute is missing or invalid.
    """
    required = ("name", "direction", "value_range", "weights", "against")
    missing = [attribute for attribute in required if not hasattr(candidate, attribute)]
    if missing:
        raise ValueError(f"--objective {name}: its result has no {', '.join(missing)}.")
    if candidate.direction not in ("maximize", "minimize"):
        raise ValueError(
            f"--objective {name}: its direction is {candidate.direction!r}; it must be 'maximize' "
            "or 'minimize'."
        )
    try:
        low, high = map(float, candidate.value_range)
    except (TypeError, ValueError):
        low = high = math.nan
    if not low < high:  # also false for NaN
        raise ValueError(
            f"--objective {name}: its value_range {candidate.value_range} is not a range: give the "
            "lowest and the highest possible value, in this order."
        )
    objective: Objective = candidate
    return objective
