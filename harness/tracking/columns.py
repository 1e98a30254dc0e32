"""The columns of a study's page in MLflow, and their order."""

import json

from harness.tracking.metrics import HELD_OUT, SCORE
from search_spaces.trial_params import TrialParams

VIEW = "harness"
"""The name of the saved view; an address that ends in it opens the page with this view."""

VIEW_TAG = f"mlflow.sharedViewState.{VIEW}"
"""The experiment's tag that stores the view."""

# Column widths in pixels: together with MLflow's own columns they just fit a window of 1700.
METRICS = {SCORE: 75, f"{SCORE}/D": 75}
PARAM_WIDTH = 76
GENERATOR = {"netG": 105}
"""For a study of both kinds of generator; empty in others."""
MARKS = {"best": 55, "recipe": 90}
FINAL = {HELD_OUT: 110}
"""Only finalists have it, on other pairs: last, so that nobody takes it for a trial's score."""
RUN_NAME = "attributes.`Run Name`"


def experiment_tags(direction: str) -> dict[str, str]:
    """Tags of an experiment that MLflow's page reads.

    They make it an experiment of training runs (not of language models), put the score first among
    the charts, and define a view of each trial's parameters and score, best first.

    Args:
        direction: "maximize" if higher scores are better, else "minimize".
    """
    columns = {
        **{f"metrics.`{name}`": width for name, width in METRICS.items()},
        **{f"params.`{name}`": width for name, width in GENERATOR.items()},
        **{f"params.`{name}`": PARAM_WIDTH for name in TrialParams.model_fields},
        **{f"tags.`{name}`": width for name, width in MARKS.items()},
        **{f"metrics.`{name}`": width for name, width in FINAL.items()},
    }
    view = {
        "orderByKey": f"metrics.`{SCORE}`",
        "orderByAsc": direction == "minimize",
        "selectedColumns": list(columns),
        "columnOrder": [RUN_NAME, *columns],
        "columnWidths": {RUN_NAME: 230, **columns},
    }
    return {
        "mlflow.experimentKind": "custom_model_development",
        "mlflow.experiment.primaryMetric.name": SCORE,
        VIEW_TAG: json.dumps(view),
    }
