"""MLflow tracking: a mirror for people to look at. No search or training waits for it."""

from harness.tracking.client import check_tracking_uri, ignored_variable, quiet_client
from harness.tracking.database import served
from harness.tracking.metrics import LOSSES, SCORE, metrics_of
from harness.tracking.store import Ending
from harness.tracking.study_runs import (
    MlflowTracker,
    NullTracker,
    StudyStore,
    Tracker,
    run_name,
    tags_of,
)
from harness.tracking.training_run import TrainingStore, TrainingTracker

__all__ = [
    "LOSSES",
    "SCORE",
    "Ending",
    "MlflowTracker",
    "NullTracker",
    "StudyStore",
    "Tracker",
    "TrainingStore",
    "TrainingTracker",
    "check_tracking_uri",
    "ignored_variable",
    "metrics_of",
    "quiet_client",
    "run_name",
    "served",
    "tags_of",
]
