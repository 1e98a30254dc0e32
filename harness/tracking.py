"""MLflow, the mirror that people look at. The only file that imports it.

The record is Optuna's study. What cannot be delivered to MLflow now (its server is away, its
database is locked) is kept and delivered later, in order; the search never waits for its mirror.
"""

import io
import json
import logging
import os
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from harness.mlflow_view import experiment_tags
from harness.registration import Left, keep_weights, register
from harness.trial_messages import Rung, StageName, TrialTask
from search_spaces.params import TrialParams

if TYPE_CHECKING:
    from mlflow import MlflowClient

RETRY_AFTER = 20.0  # seconds before a store that did not answer is tried again
SAMPLED_EVERY = 10.0  # seconds between two looks at how busy the machine is
PANEL = "panel"
LOSSES = "loss/"
COMPONENTS = "score/"
# The words that MLflow's page of a machine looks for.
MACHINE = "system/"


@dataclass(frozen=True)
class Ending:
    """How a trial's run ends: MLflow's status, our word for it, and why."""

    status: str
    state: str
    reason: str = ""


class Tracker(Protocol):
    """Hears of a study's trials. No call raises for a store that is away."""

    def begin(self, task: TrialTask, tags: Mapping[str, str]) -> None: ...

    def rung(self, number: int, rung: Rung) -> None: ...

    def end(self, number: int, ending: Ending) -> None: ...

    def lead(self, number: int, note: str) -> None: ...

    def run_id(self, number: int) -> str | None: ...

    def flush(self) -> None: ...

    def reconcile(self, endings: Mapping[int, Ending]) -> None: ...

    def close(self, ending: Ending, left: Left) -> None: ...


def run_name(name: str, params: TrialParams) -> str:
    """`t037 L1=82 perc=11 D4 lsgan`: what tells one row of the UI from another."""
    perceptual = f" perc={params.lambda_perceptual:.3g}" if params.lambda_perceptual else ""
    return f"{name} L1={params.lambda_L1:.3g}{perceptual} D{params.n_layers_D} {params.gan_mode}"


def tags_of(facts: Mapping[str, Any]) -> dict[str, str]:
    """What every run of a study carries: how its numbers were made."""
    versions = {f"version.{name}": text for name, text in facts["versions"].items()}
    return {
        "study": facts["name"],
        "device": facts["device"],
        "seed": str(facts["seed"]),
        "data_digest": facts["data"]["digest"],
        "data": facts["data"]["source"],
        "space": facts["space_name"],
        "profile": facts["profile"],
        "weights": facts["weights"],
        "warm_start": facts["warm_start"],
        "host": facts["host"],
        **versions,
    }


def quiet_client(uri: str) -> "MlflowClient":
    """MLflow's client without its chatter, its telemetry and its minutes of retries."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    from mlflow import MlflowClient

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return MlflowClient(tracking_uri=uri)


@dataclass
class MlflowStore:
    """One study's runs in an MLflow store. Every method may raise when the store is away."""

    uri: str
    study: str
    artifacts: Path | None
    tags: Mapping[str, str]
    space: str = ""
    stage: StageName = "search"
    client: "MlflowClient" = field(init=False)
    experiment: str = ""
    parent: str | None = None
    runs: dict[int, str] = field(default_factory=dict)
    sample_at: float = 0.0

    @property
    def number_tag(self) -> str:
        """The tag that holds a run's number in its stage."""
        return "trial" if self.stage == "search" else "finalist_run"

    def open(self) -> None:
        """Find or make the study's experiment and its parent run."""
        self.client = quiet_client(self.uri)
        self.experiment = experiment_of(self.client, self.study, self.artifacts)
        parents = self.search("tags.role = 'study'")
        if parents:
            self.parent = parents[0].info.run_id
            self.client.update_run(self.parent, status="RUNNING")
        else:
            tags = {**self.tags, "role": "study"}
            made = self.client.create_run(self.experiment, run_name=self.study, tags=tags)
            self.parent = made.info.run_id
            self.note_inputs(self.parent)
        for key, text in experiment_tags().items():
            self.client.set_experiment_tag(self.experiment, key, text)

    def note_inputs(self, run: str) -> None:
        """On the parent: the pairs that every trial sees, and the space that is searched."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        pairs = Dataset(
            name=self.tags["data"],
            # MLflow has room for 36 characters; the whole digest is among the tags.
            digest=self.tags["data_digest"][:36],
            source_type="local",
            source=json.dumps({"uri": self.tags["data"]}),
        )
        context = [InputTag("mlflow.data.context", "training")]
        self.client.log_inputs(run, [DatasetInput(pairs, context)])
        self.client.log_text(run, self.space, "space.yaml")

    def search(self, condition: str) -> list[Any]:
        """Every run of the experiment under a condition, oldest first."""
        found: list[Any] = []
        token = None
        while True:
            page = self.client.search_runs(
                [self.experiment],
                condition,
                max_results=1000,
                order_by=["attributes.start_time ASC"],
                page_token=token,
            )
            found += page
            token = page.token
            if not token:
                return found

    def begin(self, task: TrialTask, tags: Mapping[str, str]) -> None:
        """Make a trial's run under the parent, or take up the one it had."""
        from mlflow.entities import Param

        if task.number in self.runs:
            self.client.update_run(self.runs[task.number], status="RUNNING")
        else:
            ours = {self.number_tag: str(task.number), "seed": str(task.seed)}
            own = {**self.tags, **tags, **ours, "mlflow.parentRunId": self.parent}
            name = run_name(task.name, task.params)
            run = self.client.create_run(self.experiment, run_name=name, tags=own)
            self.runs[task.number] = run.info.run_id
        # Said again to a run that was there: it may have been cut off before this.
        values = task.settings
        # Parameters are text to MLflow; as metrics, the numbers can be filtered and plotted.
        numbers = {f"param/{key}": v for key, v in values.items() if not isinstance(v, str)}
        self.client.log_batch(
            self.runs[task.number],
            metrics=metrics(numbers, 0),
            params=[Param(key, str(value)) for key, value in values.items()],
            synchronous=True,
        )

    def rung(self, number: int, rung: Rung) -> None:
        """Every loss and component of a rung in one call, then its picture."""
        from PIL import Image

        run = self.runs[number]
        values = {
            "score": rung.value,
            **{COMPONENTS + key: value for key, value in rung.components.items()},
            **{LOSSES + key: value for key, value in rung.losses.items()},
        }
        self.client.log_batch(run, metrics=metrics(values, rung.step), synchronous=True)
        if rung.panel:
            picture = Image.open(io.BytesIO(rung.panel))
            self.client.log_image(run, picture, key=PANEL, step=rung.step, synchronous=True)
        self.sample_machine()

    def sample_machine(self) -> None:
        """On the parent, now and then: how busy the driver's machine is."""
        import psutil

        if self.parent is None or time.monotonic() < self.sample_at:
            return
        busy, memory = psutil.cpu_percent(), psutil.virtual_memory()
        began, self.sample_at = self.sample_at, time.monotonic() + SAMPLED_EVERY
        if not began:
            return  # the share of time since the last look: the first look has none
        values = {
            f"{MACHINE}cpu_utilization_percentage": busy,
            f"{MACHINE}system_memory_usage_megabytes": memory.used / 1e6,
            f"{MACHINE}system_memory_usage_percentage": memory.percent,
        }
        # Seconds since 1970 are the step, so that a search that goes on adds to the curve.
        step = int(time.time())
        self.client.log_batch(self.parent, metrics=metrics(values, step), synchronous=True)

    def end(self, number: int, ending: Ending) -> None:
        """Close a trial's run with the state it has in the record, and why."""
        finish_run(self.client, self.runs[number], ending)

    def reconcile(self, endings: Mapping[int, Ending]) -> None:
        """Learn the runs of earlier drivers; close those whose trial the record says has ended."""
        for run in self.search(f"tags.{self.number_tag} != ''"):
            number = int(run.data.tags[self.number_tag])
            if number in self.runs:
                # A driver that died between making a run and the next word left a second one.
                self.client.delete_run(run.info.run_id)
                continue
            self.runs[number] = run.info.run_id
            if run.info.status == "RUNNING" and number in endings:
                self.end(number, endings[number])

    def lead(self, best: int | None, note: str) -> None:
        """Tag the best trial and no other; describe the study on its parent run."""
        own = None if best is None else self.runs.get(best)
        for run in self.search("tags.best = 'true'"):
            if run.info.run_id != own:
                self.client.delete_tag(run.info.run_id, "best")
        if own is not None:
            self.client.set_tag(own, "best", "true")
        assert self.parent is not None
        self.client.set_tag(self.parent, "mlflow.note.content", note)

    def close(self, ending: Ending, left: Left) -> None:
        """Say which trial is the best, keep what the search leaves, and end the parent run."""
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        self.lead(left.best, left.note)
        assert self.parent is not None
        for file in left.files:
            self.client.log_artifact(self.parent, str(file))
        place = get_artifact_repository(self.client.get_run(self.parent).info.artifact_uri)
        keep_weights(self.client, place, self.parent, left.weights)
        if left.model is not None:
            register(self.client, self.parent, left.model)
        finish_run(self.client, self.parent, ending)


class Deliveries:
    """Calls to a store that may be away: what it cannot take now is delivered later, in order."""

    def __init__(self, warn: Callable[[str], None]) -> None:
        self.warn = warn
        self.waiting: deque[Callable[[], None]] = deque()
        self.retry_at = 0.0

    def deliver(self, call: Callable[[], None]) -> None:
        """Queue one call and make all that wait, unless the store was away a moment ago."""
        self.waiting.append(call)
        if time.monotonic() >= self.retry_at:
            self.flush()

    def flush(self) -> None:
        """Make the waiting calls in order; stop at the first that fails, and keep it."""
        while self.waiting:
            try:
                self.waiting[0]()
            except Exception as error:  # whatever a mirror raises, the search goes on
                if not self.retry_at:
                    self.warn(
                        f"MLflow did not answer ({type(error).__name__}); what it should hold is "
                        "kept and delivered when it is back."
                    )
                self.retry_at = time.monotonic() + RETRY_AFTER
                return
            self.waiting.popleft()
        self.retry_at = 0.0

    def finish(self, last: Callable[[], None]) -> None:
        """Deliver all that can be delivered; say so where something could not."""
        self.waiting.append(last)
        self.flush()
        if self.waiting:
            self.warn(
                f"{len(self.waiting)} entries could not be delivered to MLflow; what is kept in "
                "files is complete."
            )


class MlflowTracker(Deliveries):
    """One study's runs in a store that may be away."""

    def __init__(self, store: MlflowStore, warn: Callable[[str], None]) -> None:
        super().__init__(warn)
        self.store = store
        self.deliver(store.open)

    def begin(self, task: TrialTask, tags: Mapping[str, str]) -> None:
        self.deliver(partial(self.store.begin, task, tags))

    def rung(self, number: int, rung: Rung) -> None:
        self.deliver(partial(self.store.rung, number, rung))

    def end(self, number: int, ending: Ending) -> None:
        self.deliver(partial(self.store.end, number, ending))

    def lead(self, number: int, note: str) -> None:
        self.deliver(partial(self.store.lead, number, note))

    def run_id(self, number: int) -> str | None:
        return self.store.runs.get(number)

    def reconcile(self, endings: Mapping[int, Ending]) -> None:
        self.deliver(partial(self.store.reconcile, endings))

    def close(self, ending: Ending, left: Left) -> None:
        self.finish(partial(self.store.close, ending, left))


@dataclass
class TrainingRun:
    """One full training as one run, whatever its stages; taken up again by its `key`.

    Every method may raise when the store is away.
    """

    uri: str
    experiment: str
    artifacts: Path | None
    name: str
    key: str
    tags: Mapping[str, str]
    params: Mapping[str, Any]
    client: "MlflowClient" = field(init=False)
    run: str = ""

    def open(self) -> None:
        """Find the training's run or make it, with its settings."""
        from mlflow.entities import Param

        self.client = quiet_client(self.uri)
        experiment = experiment_of(self.client, self.experiment, self.artifacts)
        found = self.client.search_runs([experiment], f"tags.training = '{self.key}'")
        if found:
            self.run = found[0].info.run_id
            self.client.update_run(self.run, status="RUNNING")
            return
        tags = {**self.tags, "role": "training", "training": self.key}
        self.run = self.client.create_run(experiment, run_name=self.name, tags=tags).info.run_id
        params = [Param(key, str(value)) for key, value in self.params.items()]
        self.client.log_batch(self.run, params=params, synchronous=True)

    def log(self, step: int, values: Mapping[str, float], panel: bytes | None) -> None:
        """An epoch's figures, and its panel where there is one; `step` counts over all stages."""
        from PIL import Image

        self.client.log_batch(self.run, metrics=metrics(values, step), synchronous=True)
        if panel is not None:
            picture = Image.open(io.BytesIO(panel))
            self.client.log_image(self.run, picture, key=PANEL, step=step, synchronous=True)

    def end(self, ending: Ending) -> None:
        finish_run(self.client, self.run, ending)


class TrainingTracker(Deliveries):
    """One full training's run in a store that may be away."""

    def __init__(self, run: TrainingRun, warn: Callable[[str], None]) -> None:
        super().__init__(warn)
        self.run = run
        self.deliver(run.open)

    def log(self, step: int, values: Mapping[str, float], panel: bytes | None) -> None:
        self.deliver(partial(self.run.log, step, values, panel))

    def close(self, ending: Ending) -> None:
        self.finish(partial(self.run.end, ending))


def experiment_of(client: "MlflowClient", name: str, artifacts: Path | None) -> str:
    """The id of the experiment of that name, made where there is none."""
    found = client.get_experiment_by_name(name)
    if found:
        return str(found.experiment_id)
    location = artifacts.absolute().as_uri() if artifacts else None
    return str(client.create_experiment(name, location))


def finish_run(client: "MlflowClient", run: str, ending: Ending) -> None:
    """Close a run with its state in our words and MLflow's."""
    from mlflow.entities import RunTag

    tags = [RunTag("state", ending.state), RunTag("reason", ending.reason)]
    client.log_batch(run, tags=tags, synchronous=True)
    client.set_terminated(run, ending.status)


class NullTracker:
    """Hears everything and keeps nothing."""

    def begin(self, task: TrialTask, tags: Mapping[str, str]) -> None:
        pass

    def rung(self, number: int, rung: Rung) -> None:
        pass

    def end(self, number: int, ending: Ending) -> None:
        pass

    def lead(self, number: int, note: str) -> None:
        pass

    def run_id(self, number: int) -> str | None:
        return None

    def flush(self) -> None:
        pass

    def reconcile(self, endings: Mapping[int, Ending]) -> None:
        pass

    def close(self, ending: Ending, left: Left) -> None:
        pass


def metrics(values: Mapping[str, float], step: int) -> list[Any]:
    """MLflow's metric entities of one step."""
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    return [Metric(key, float(value), now, step) for key, value in values.items()]
