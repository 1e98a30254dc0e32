"""Retention: keep the files of the leading trials, and `best.yaml`, in the study's folder."""

from optuna import Study

from harness.paths import StudyPaths, leftover_temporaries, write_atomically
from harness.search.callbacks import TrialEnd
from harness.search.ranking import Ranking
from reports.export.best_yaml import as_yaml, best_config
from reports.record.trial import TrialRecord


class Retention:
    """A trial callback that keeps only the weights and panels of the leading trials.

    Panels of recipes are kept too, for comparison.
    """

    def __init__(self, paths: StudyPaths, study: Study, ranking: Ranking) -> None:
        self.paths = paths
        self.study = study
        self.ranking = ranking
        self.clean_up()

    def clean_up(self) -> None:
        """Finish the cleanup that an interrupted driver left undone."""
        for trial in self.study.get_trials(deepcopy=False):
            if trial.number not in self.ranking.leaders:
                self.remove_files(trial.number)
        for aside in leftover_temporaries(self.paths.folder):
            aside.unlink(missing_ok=True)
        self.write_best()

    def on_trial_end(self, end: TrialEnd) -> None:
        if end.result is None or end.change is None:
            return
        number, panel = end.task.number, end.result.panel
        if panel and (end.change.kept or end.recipe is not None):
            write_atomically(self.paths.panel(number), panel)
        for displaced in end.change.displaced:
            self.remove_files(displaced)
        if end.change.best_changed or not self.paths.best_yaml.exists():
            self.write_best()

    def remove_files(self, number: int) -> None:
        """Remove the files of a trial that is not among the leaders."""
        self.paths.checkpoint(number).unlink(missing_ok=True)
        if TrialRecord.of(self.study.get_trials(deepcopy=False)[number]).recipe is None:
            self.paths.panel(number).unlink(missing_ok=True)

    def write_best(self) -> None:
        """Write `best.yaml` atomically, if any trial has completed."""
        if not self.ranking.leaders:
            return
        config = best_config(self.study, folder=self.paths.folder)
        write_atomically(self.paths.best_yaml, as_yaml(config))
