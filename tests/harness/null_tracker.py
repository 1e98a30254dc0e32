"""A tracker for tests that look at something else than MLflow."""

from collections.abc import Mapping

from harness.tracking.model_registry import SearchResults
from harness.tracking.store import Ending
from harness.trials.messages import Rung, TrialTask


class NullTracker:
    """Records nothing."""

    def begin(self, task: TrialTask, tags: Mapping[str, str]) -> None:
        pass

    def rung(self, task: TrialTask, rung: Rung) -> None:
        pass

    def end(self, trial: str, ending: Ending) -> None:
        pass

    def lead(self, trial: str, note: str) -> None:
        pass

    def run_id(self, trial: str) -> str | None:
        return None

    def parent(self) -> str | None:
        return None

    def reconcile(self, endings: Mapping[str, Ending]) -> None:
        pass

    def conclude(self, ending: Ending, results: SearchResults) -> None:
        pass

    def finish(self) -> None:
        pass
