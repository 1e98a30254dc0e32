"""How a score is logged in MLflow: a dozen metrics for comparing runs, and a table of the rest."""

import csv
import io
from collections.abc import Mapping

SCORE, HELD_OUT = "score", "score_held_out"
"""A trial's score on the validation pairs; a finalist's on pairs held out from the search.

MLflow sorts metrics by name: these names put the score before the losses.
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
    """The metrics of one rung, the score first: MLflow opens a comparison on the first one.

    Args:
        score: `SCORE` or `HELD_OUT`.
        components: all become metrics if the objective is not `boundary_sharpness`.
    """
    chosen = COMPARED if components.keys() >= set(COMPARED) else components
    return {
        score: value,
        **{f"{score}/{name}": components[name] for name in chosen},
        **{LOSSES + name: loss for name, loss in losses.items()},
    }


def table_of(step: int, scores: Mapping[str, float]) -> str:
    """A score and its components as CSV, which MLflow's pages show as a table."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("name", "value"))
    rows.writerow(("step", step))
    rows.writerows((name, f"{value:.4g}") for name, value in scores.items())
    return text.getvalue()
