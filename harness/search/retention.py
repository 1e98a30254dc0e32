"""What a study keeps in its folder: the best few generators and pictures, and best.yaml."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.paths import StudyPaths, write_aside
from harness.trials.messages import TrialResult

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

KEPT = 3


@dataclass
class Keeper:
    """Keeps the `KEPT` best trials' files; a recipe's last picture stays to be compared with."""

    paths: StudyPaths
    study: "Study"
    top: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.top = self.leaders()
        self.tidy()

    def tidy(self) -> None:
        """Do what an earlier driver, ended between two steps, did not come to do."""
        for trial in self.study.get_trials(deepcopy=False):
            if trial.number not in self.top:
                self.drop(trial)
        for aside in self.paths.asides():
            aside.unlink(missing_ok=True)
        if self.top:
            self.write_best()

    def leaders(self, among: "Sequence[FrozenTrial] | None" = None) -> list[int]:
        """Numbers of the best completed trials, the best first: all of a Pareto search's front.

        Args:
            among: those that can be, where they are known: the leaders, and what completed since.
        """
        from reports.record import is_pareto, trials_by_score

        leading = [trial.number for trial in trials_by_score(self.study, among)]
        return leading if is_pareto(self.study) else leading[:KEPT]

    def would_lead(self, value: float, values: Sequence[float]) -> bool:
        """Whether a trial that ends with this score, and these values, is to be kept."""
        from reports.record import beats, is_pareto, score_of, sign_of

        trials = self.study.get_trials(deepcopy=False)
        leading = [trials[number] for number in self.top]
        if is_pareto(self.study):
            return not any(beats(self.study, trial.values, values) for trial in leading)
        sign = sign_of(self.study)
        better = [trial for trial in leading if sign * score_of(trial) >= sign * value]
        return len(better) < KEPT

    def keep(self, number: int, recipe: str | None, result: TrialResult) -> None:
        """After a trial completed: keep or drop its files, drop those it displaced."""
        from reports.record import RECOMMENDED

        trials = self.study.get_trials(deepcopy=False)
        candidates = [trials[each] for each in {*self.top, number}]
        # By the guide's recommendation the guards are judged: with it, others may come to lead.
        leading = self.leaders(None if recipe == RECOMMENDED else candidates)
        earlier, self.top = self.top, leading
        if (number in self.top or recipe is not None) and result.rung.panel:
            with write_aside(self.paths.panel(number)) as aside:
                aside.write_bytes(result.rung.panel)
        for dropped in {*earlier, number} - set(self.top):
            self.drop(trials[dropped])
        if number in self.top[:1] or recipe is not None or not self.paths.best_yaml.exists():
            self.write_best()

    def drop(self, trial: "FrozenTrial") -> None:
        """Remove the files of a trial that is not among the best."""
        self.paths.checkpoint(trial.number).unlink(missing_ok=True)
        if "recipe" not in trial.user_attrs:
            self.paths.panel(trial.number).unlink(missing_ok=True)

    def write_best(self) -> None:
        """`best.yaml`, whole at every moment; none before a trial that keeps the guards."""
        from reports.export import as_yaml, best_config

        if not self.top:
            return
        config = best_config(self.study, folder=self.paths.folder)
        with write_aside(self.paths.best_yaml) as aside:
            aside.write_text(as_yaml(config), encoding="utf-8")
