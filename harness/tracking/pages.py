"""MLflow's server with its pages opened for training runs, and its assistant's panel closed.

`mlflow server --app-name harness` runs `app`: see "mlflow.app" in setup.cfg, MLflow's entry point
for servers of one's own. MLflow has no option for either; both are the browser's local storage.
"""

import json

from flask import Response, request
from mlflow.server import app as flask_app
from mlflow.server.fastapi_app import app as app

# Written only where nothing is stored yet, so that what a person chooses stays.
DEFAULTS = {
    # Else the first visit opens the assistant over a third of the page.
    "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": True,
    # Else pages of single runs, and of compared ones, are those of language models.
    "mlflow.workflowType_v1": "machine_learning",
}
SCRIPT = (
    "<script>for(const[k,v]of Object.entries("
    + json.dumps(DEFAULTS)
    + "))localStorage.getItem(k)??localStorage.setItem(k,JSON.stringify(v))</script>"
)


@flask_app.after_request
def set_defaults(response: Response) -> Response:
    """Set the defaults in MLflow's page before its own scripts run."""
    if request.path == "/" and response.status_code == 200:
        response.direct_passthrough = False
        page = response.get_data(as_text=True)
        response.set_data(page.replace("<head>", f"<head>{SCRIPT}", 1))
        # MLflow's page has not changed, but this one may with the next version.
        response.headers.pop("ETag", None)
        response.headers.pop("Last-Modified", None)
    return response
