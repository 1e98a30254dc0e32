"""What MLflow gets of a score: a dozen metrics to compare runs by, and a table of the rest."""

import csv
import io
from collections.abc import Mapping

SCORE, HELD_OUT = "score", "score_held_out"
"""A trial's score on the validation pairs; a finalist's on pairs held out from the search.

MLflow sorts names: all that belongs to the score comes before the losses.
"""
LOSSES = "train_loss/"

COMPARED = ("D", "E", "Lrel", "lpips", "laplacian_ratio", "mae")
"""The components of `boundary_sharpness` that are metrics; the table has all thirty.

`D` missing detail, `E` excess detail, `Lrel` LPIPS relative to the unchanged input's, `lpips`,
`laplacian_ratio` sharpness relative to the original's, `mae` mean absolute error in the region.
"""


def metrics_of(
    score: str, value: float, components: Mapping[str, float], losses: Mapping[str, float]
) -> dict[str, float]:
    """Metrics of one rung. MLflow opens a comparison on the first one that was recorded: the score.

    Args:
        score: `SCORE` or `HELD_OUT`.
        components: those of another objective than `boundary_sharpness` are all metrics.
    """
    chosen = COMPARED if components.keys() >= set(COMPARED) else components
    return {
        score: value,
        **{f"{score}/{name}": components[name] for name in chosen},
        **{LOSSES + name: loss for name, loss in losses.items()},
    }


def table_of(step: int, scores: Mapping[str, float]) -> str:
    """A score and all its components as CSV, which MLflow's pages show as a table."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("name", "value"))
    rows.writerow(("step", step))
    rows.writerows((name, f"{value:.4g}") for name, value in scores.items())
    return text.getvalue()
