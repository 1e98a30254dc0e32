"""A full training in MLflow."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from harness.tracking.outbox import Ending, Entry
from harness.tracking.sender import Deliveries
from harness.tracking.store import RUNNING, MlflowStore


@dataclass(kw_only=True)
class TrainingStore(MlflowStore):
    """A full training, with all its stages, as one run; a resumed one is found by its `key`."""

    name: str
    key: str
    tags: Mapping[str, str]
    params: Mapping[str, Any]

    def find_runs(self) -> None:
        """Find or create the training's run, and log its settings."""
        found = self.search(f"tags.training = '{self.key}'")
        self.runs = {self.key: found[0].info.run_id} if found else {}
        params = {key: str(value) for key, value in self.params.items()}
        start = Entry(self.key, title=self.name, status=RUNNING, params=params)
        self.write_run(self.key, [start])

    def conclude(self, ending: Ending) -> None:
        self.attempt(lambda: self.end(self.runs[self.key], ending))

    def new_run_tags(self) -> Mapping[str, str]:
        return {**self.tags, "role": "training", "training": self.key}


class TrainingTracker(Deliveries):
    """Records a full training in its run. An unreachable store makes no call block or raise."""

    store: TrainingStore

    def log(
        self,
        step: int,
        values: Mapping[str, float],
        scores: Mapping[str, float] | None = None,
        panel: bytes = b"",
    ) -> None:
        """Log an epoch's metrics, and its score and picture if any.

        Args:
            step: counts over all stages.
            scores: the score and all its components, for the run's table.
        """
        entry = Entry(self.store.key, metrics=values, step=step, scores=scores or {}, panel=panel)
        self.put(entry)

    def close(self, ending: Ending) -> None:
        self.add(partial(self.store.conclude, ending))
        self.finish()
