"""MLflow's server, with pages that open for training runs and with the assistant's panel closed.

`mlflow server --app-name harness` runs `app`, registered as "mlflow.app" in setup.cfg, MLflow's
entry point for custom servers. MLflow has no options for these two: they are values in the
browser's local storage.
"""

import json

from flask import Response, request
from mlflow.server import app as flask_app
from mlflow.server.fastapi_app import app as app

# Written only if nothing is stored yet, so that the user's own choice is kept.
DEFAULTS = {
    # Otherwise the first visit opens the assistant over a third of the page.
    "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": True,
    # Otherwise pages of single and of compared runs are laid out for language models.
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
        # These describe MLflow's unmodified page; this one may change with any version.
        response.headers.pop("ETag", None)
        response.headers.pop("Last-Modified", None)
    return response
