"""What a setting may not buy its sharpness with: the guards, as constraints of the search.

The guide warns that sharper settings may shift colours. A trial whose guard is worse than the
recommended recipe's by more than a visible margin is shown, and never named the best.
"""

from collections.abc import Mapping

MARGINS = {
    "ciede2000": 1.0,  # a just visible difference of colour, inside the region
    "mae_outside": 2 / 255,  # two grey levels where nothing should have changed
}


def excess(components: Mapping[str, float], recommended: Mapping[str, float]) -> dict[str, float]:
    """How far each guard lies beyond its margin; 0 or less: it is kept.

    Args:
        components: a trial's, at its last rung.
        recommended: those of the guide's recommendation in the same study.
    """
    return {
        name: components[name] - recommended[name] - margin
        for name, margin in MARGINS.items()
        if name in components and name in recommended
    }


def broken(beyond: Mapping[str, float]) -> str:
    """The guards that are broken, in words; empty where none is."""
    over = [f"{name} by {value:.3g}" for name, value in beyond.items() if value > 0]
    return f"cannot win: beyond the margin in {', '.join(over)}" if over else ""
