"""The result of the finalists' runs, as recorded on the search's study."""

from typing import Self

from pydantic import model_validator

from reports.record.format import Part, Settings
from reports.record.names import moves_pixels


class Interval(Part):
    """A mean with the ends of its interval. A lead is positive if it is for the better."""

    mean: float
    low: float
    high: float


class FinalistRow(Part):
    """One finalist.

    Attributes:
        name: `t022`, or the recipe's name for the baseline.
        trial: its number in the search; None if the search did not try it.
        mean: its mean score over its repeats and the held-out pairs; None for too few repeats.
        ci95: the 95 % interval of that mean, for these pairs and other seeds.
        repeats: number of its completed runs.
        components: the score's components, means over its completed runs.
        diverged: whether one of its runs did not complete because of its setting.
        checkpoint: the weights of one of its runs, relative to the study's folder; None: an earlier
            version kept only those of the first finalists.
    """

    name: str
    trial: int | None
    recipe: str | None
    params: Settings
    mean: float | None
    ci95: list[float] | None
    repeats: int
    components: dict[str, float]
    diverged: bool
    checkpoint: str | None = None

    @property
    def moves(self) -> bool:
        """Whether its generator moves pixels, which an unchanged train.py cannot."""
        return moves_pixels(self.params)


class AsIs(Part):
    """The result for the finalists that an unchanged train.py can run.

    Attributes:
        name: the best of them.
        challenger: the best of them other than the baseline.
        checkpoint: the weights of the best of them that the search tried, in the study's folder.
    """

    name: str
    challenger: str
    difference: Interval | None
    better: bool
    verdict: str
    checkpoint: str | None = None


class Ranked(Part):
    """The finalists' ranking, the winner's lead over the baseline, and the verdict.

    Attributes:
        rows: the finalists, the best first, then those that cannot win.
        baseline: name of the finalist that the others are compared with.
        difference: the lead of the winner, or of the best challenger, over the baseline; None for
            too few runs.
        ahead_of_warp: the winner's lead over the recipe `warp`; None if that wins or is not a
            finalist.
        level: the intervals' confidence level, which allows for the winner having been chosen.
        as_is: the same for the finalists that repaint; None in a study of one kind of generator.
    """

    rows: list[FinalistRow]
    baseline: str
    winner: str
    runner_up: str | None
    difference: Interval | None
    ahead_of_runner_up: Interval | None
    ahead_of_warp: Interval | None = None
    level: float
    better: bool
    verdict: str
    as_is: AsIs | None

    @model_validator(mode="after")
    def names_have_rows(self) -> Self:
        names = [row.name for row in self.rows]
        others = [self.as_is.name, self.as_is.challenger] if self.as_is else []
        for name in (self.baseline, self.winner, *others):
            if name not in names:
                raise ValueError(f"no finalist is named {name}")
        if names == [self.baseline]:
            raise ValueError("there is no finalist beside the baseline")
        return self

    def row(self, name: str) -> FinalistRow:
        """The finalist of this name."""
        return next(row for row in self.rows if row.name == name)

    @property
    def challenger(self) -> FinalistRow:
        """The best finalist other than the baseline."""
        return next(row for row in self.rows if row.name != self.baseline)


class Finalists(Ranked):
    """The finalists' ranking, with the conditions of their runs.

    Attributes:
        steps: training steps of each run.
        seeds: seeds of the repeats.
        pairs: number of held-out pairs.
        noop: the score of the input unchanged on those pairs.
        runs: number of runs that ended.
        checkpoint: the weights of the best that the search tried, in the study's folder.
    """

    steps: int
    seeds: list[int]
    pairs: int
    noop: float | None
    runs: int
    checkpoint: str | None

    def row_of_trial(self, number: int) -> FinalistRow | None:
        """The row of a trial of the search, if it is a finalist."""
        return next((row for row in self.rows if row.trial == number), None)

    @property
    def of_search(self) -> list[FinalistRow]:
        """The finalists that the search tried, the best first."""
        return [row for row in self.rows if row.trial is not None]
