"""MLflow, the mirror that people look at. The search and a training never wait for it."""

from harness.tracking.store import Ending, quiet_client
from harness.tracking.study import (
    MlflowTracker,
    NullTracker,
    StudyStore,
    Tracker,
    run_name,
    tags_of,
)
from harness.tracking.training import TrainingStore, TrainingTracker

__all__ = [
    "Ending",
    "MlflowTracker",
    "NullTracker",
    "StudyStore",
    "Tracker",
    "TrainingStore",
    "TrainingTracker",
    "quiet_client",
    "run_name",
    "tags_of",
]
