"""Guards as constraints of the search: a trial must not gain sharpness by damaging the image.

The guide warns that sharper settings may shift colours. A trial whose guard is worse than the
recommended recipe's by more than a visible margin is listed, but cannot be the best.
"""

from collections.abc import Mapping

MARGINS = {
    "ciede2000": 1.0,  # a just visible colour difference, inside the region
    "mae_outside": 2 / 255,  # two grey levels, where nothing should change
}


def excess(components: Mapping[str, float], recommended: Mapping[str, float]) -> dict[str, float]:
    """How far each guard exceeds its margin; 0 or less: the constraint is met.

    Args:
        components: score components of a trial, at its last rung.
        recommended: the same for the guide's recommended recipe in this study.
    """
    return {
        name: components[name] - recommended[name] - margin
        for name, margin in MARGINS.items()
        if name in components and name in recommended
    }


def violations(beyond: Mapping[str, float]) -> str:
    """A message that names the violated constraints; "" if there are none."""
    over = [f"{name} by {value:.3g}" for name, value in beyond.items() if value > 0]
    return f"cannot win: beyond the margin in {', '.join(over)}" if over else ""
