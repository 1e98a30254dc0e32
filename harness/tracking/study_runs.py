"""A study's trials in MLflow, which mirrors Optuna's study, the record."""

import json
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from harness.tracking.columns import VIEW_TAG, experiment_tags
from harness.tracking.metrics import HELD_OUT, SCORE, metrics_of
from harness.tracking.model_registry import SearchResults, keep_weights, register
from harness.tracking.outbox import Ending, Entry
from harness.tracking.sender import Deliveries
from harness.tracking.store import RUNNING, MlflowStore
from harness.trials.messages import Rung, TrialTask
from reports.record.names import PhaseName, trial_name
from reports.record.study import StudySetup
from search_spaces.trial_params import TrialParams

IDENTITY_TAG = "study_identity"
PARENT_TAG = "mlflow.parentRunId"
# The tag with a run's number, per phase.
NUMBER_TAGS: dict[PhaseName, str] = {"search": "trial", "final": "finalist_run"}


def run_name(name: str, params: TrialParams) -> str:
    """The title of a run, to distinguish rows in the UI: `t037 L1=82 perc=11 nD=4 lsgan`."""
    perceptual = f" perc={params.lambda_perceptual:.3g}" if params.lambda_perceptual else ""
    return f"{name} L1={params.lambda_L1:.3g}{perceptual} nD={params.n_layers_D} {params.gan_mode}"


def tags_of(setup: StudySetup) -> dict[str, str]:
    """Tags of every run of a study: the conditions under which its scores were measured."""
    return {
        "study": setup.name,
        "device": setup.device,
        "seed": str(setup.seed),
        "data_digest": setup.data.digest,
        "data": setup.data.source,
        "space": setup.space_name,
        "profile": setup.profile,
        "weights": setup.weights,
        "warm_start": setup.warm_start,
        "host": setup.host,
        **{f"version.{name}": text for name, text in setup.versions.items()},
    }


@dataclass(kw_only=True)
class StudyStore(MlflowStore):
    """One study's runs: a parent run, and a child run for each trial and each finalist's run.

    Another study of the same name may have its runs in the same experiment. A run is ours if its
    identity tag is ours; other runs are neither written to nor deleted.

    Attributes:
        identity: unique id of the study.
        recorded: run ids in the study's record.
        tags: tags of every run.
        space: text of the search space.
        direction: "maximize" if higher scores are better, else "minimize".
        parent: MLflow's id of the parent run.
    """

    identity: str
    recorded: Collection[str] = ()
    tags: Mapping[str, str]
    space: str
    direction: Literal["maximize", "minimize"]
    parent: str | None = None

    def find_runs(self) -> None:
        """Find or create the parent run, and find the runs of earlier drivers."""
        self.find_trial_runs()
        parents = self.search("tags.role = 'study'")
        if parents:
            self.parent = parents[0].info.run_id
            self.client.update_run(self.parent, RUNNING)
        else:
            tags = {**self.tags, IDENTITY_TAG: self.identity, "role": "study"}
            made = self.client.create_run(self.experiment, run_name=self.experiment_name, tags=tags)
            self.parent = made.info.run_id
            self.note_inputs(self.parent)
        existing = self.client.get_experiment(self.experiment).tags
        for key, text in experiment_tags(self.direction).items():
            # The experiment may belong to the user: overwrite no tag but our own.
            if key == VIEW_TAG or key not in existing:
                self.client.set_experiment_tag(self.experiment, key, text)

    def search(self, condition: str) -> list[Any]:
        """All runs of this study that meet a condition, oldest first."""
        return super().search(f"{condition} and tags.{IDENTITY_TAG} = '{self.identity}'")

    def find_trial_runs(self) -> None:
        """Find the runs of trials. If a trial has two, prefer the recorded one, then one with
        metrics, then the older.

        A request that succeeded after its timeout leaves a duplicate with the same start time,
        which is deleted. No other run is deleted.
        """
        runs: dict[str, Any] = {}
        for phase, tag in NUMBER_TAGS.items():
            found = self.search(f"tags.{tag} != ''")
            for run in sorted(
                found, key=lambda run: (run.info.run_id not in self.recorded, not run.data.metrics)
            ):
                if not run.data.tags[tag].isdecimal():
                    continue  # a tag that a user has edited
                first = runs.setdefault(trial_name(int(run.data.tags[tag]), phase), run).info
                if run.info.run_id != first.run_id and run.info.start_time == first.start_time:
                    self.client.delete_run(run.info.run_id)
        self.runs = {name: run.info.run_id for name, run in runs.items()}

    def note_inputs(self, run: str) -> None:
        """Log the training pairs and the search space on the parent run."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        pairs = Dataset(
            name=self.tags["data"],
            # MLflow's limit is 36 characters; the tags have the whole digest.
            digest=self.tags["data_digest"][:36],
            source_type="local",
            source=json.dumps({"uri": self.tags["data"]}),
        )
        context = [InputTag("mlflow.data.context", "training")]
        self.client.log_inputs(run, [DatasetInput(pairs, context)])
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "space.yaml"
            file.write_text(self.space, encoding="utf-8")
            self.files_of(run).log_artifact(str(file))

    def new_run_tags(self) -> Mapping[str, str]:
        own = {**self.tags, IDENTITY_TAG: self.identity}
        return {**own, PARENT_TAG: self.parent} if self.parent else own

    def reconcile(self, endings: Mapping[str, Ending]) -> None:
        """End runs that MLflow shows as running although the record says that they have ended."""

        def close() -> None:
            names = {run: name for name, run in self.runs.items()}
            for run in self.search("attributes.status = 'RUNNING'"):
                name = names.get(run.info.run_id)
                if name is not None and name in endings:
                    self.end(run.info.run_id, endings[name])

        self.attempt(close)

    def lead(self, best: str | None, note: str) -> None:
        """Move the `best` tag to the best trial; describe the study on its parent run."""

        def tag() -> None:
            own = None if best is None else self.runs.get(best)
            assert self.parent is not None
            for run in self.search("tags.best = 'true'"):
                if run.info.run_id != own:
                    self.client.delete_tag(run.info.run_id, "best")
            if own is not None:
                self.client.set_tag(own, "best", "true")
            self.client.set_tag(self.parent, "mlflow.note.content", note)

        self.attempt(tag)

    def conclude(self, ending: Ending, results: SearchResults) -> None:
        """Tag the best trial, upload the results of the search, and end the parent run."""
        self.lead(None if results.best is None else trial_name(results.best), results.note)

        def upload() -> None:
            assert self.parent is not None
            files = self.files_of(self.parent)
            for file in results.files:
                files.log_artifact(str(file))
            keep_weights(files, results.weights)
            if results.model is not None:
                register(self.client, files, self.parent, results.model)
            self.end(self.parent, ending)

        self.attempt(upload)


class Tracker(Deliveries):
    """Records a study's trials, by name. An unreachable store makes no call block or raise.

    Updates of trials are stored in the outbox. Updates of the study are not: the next driver
    repeats them.
    """

    store: StudyStore

    def begin(self, task: TrialTask, tags: Mapping[str, str]) -> None:
        own = {NUMBER_TAGS[task.phase]: str(task.number), "seed": str(task.seed)}
        self.put(
            Entry(
                task.name,
                title=run_name(task.name, task.params),
                status=RUNNING,
                tags={**tags, **own},
                params={key: str(value) for key, value in task.settings.items()},
            )
        )

    def rung(self, task: TrialTask, rung: Rung) -> None:
        """Record the score, components, losses and picture of a rung.

        A finalist is scored on other pairs than a trial, so its score has another name.
        """
        score = HELD_OUT if task.phase == "final" else SCORE
        self.put(
            Entry(
                task.name,
                metrics=metrics_of(score, rung.value, rung.components, rung.losses),
                step=rung.step,
                scores={score: rung.value, **rung.components},
                panel=rung.crop,
            )
        )

    def end(self, trial: str, ending: Ending) -> None:
        """End a trial's run, with the state and reason of the record."""
        self.put(Entry(trial, status=ending.status, tags=ending.tags))

    def lead(self, trial: str, note: str) -> None:
        self.add(partial(self.store.lead, trial, note))

    def run_id(self, trial: str) -> str | None:
        """MLflow's id of a trial's run; None if it does not exist yet."""
        return self.store.runs.get(trial)

    def parent(self) -> str | None:
        """MLflow's id of the study's parent run; None if it does not exist yet."""
        return self.store.parent

    def reconcile(self, endings: Mapping[str, Ending]) -> None:
        self.add(partial(self.store.reconcile, endings))

    def conclude(self, ending: Ending, results: SearchResults) -> None:
        self.add(partial(self.store.conclude, ending, results))
