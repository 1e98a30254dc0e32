"""What MLflow's page of a study begins with: which columns, in which order."""

import json

from search_spaces.params import TrialParams

VIEW = "harness"
"""The name under which the view is kept; an address that ends in it opens with it."""

SCORES = ("score", "score/D", "score/E", "score/Lrel")
MARKS = ("best", "recipe", "state")
RUN_NAME = "attributes.`Run Name`"


def experiment_tags() -> dict[str, str]:
    """Tags of an experiment that MLflow's page reads.

    It opens as one of training runs (and not of language models), its charts begin with the score,
    and the view shows each trial's settings and score, the best first.
    """
    columns = [
        *(f"metrics.`{name}`" for name in SCORES),
        *(f"params.`{name}`" for name in TrialParams.model_fields),
        *(f"tags.`{name}`" for name in MARKS),
    ]
    view = {
        "orderByKey": "metrics.`score`",
        "orderByAsc": False,
        "selectedColumns": columns,
        "columnOrder": [RUN_NAME],
        "columnWidths": {RUN_NAME: 290},  # pixels
    }
    return {
        "mlflow.experimentKind": "custom_model_development",
        "mlflow.experiment.primaryMetric.name": "score",
        f"mlflow.sharedViewState.{VIEW}": json.dumps(view),
    }
