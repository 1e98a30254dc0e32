"""Types that driver and workers exchange about a trial. Importing them does not import torch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any, Protocol

from reports.record.baseline import Baseline
from reports.record.names import PhaseName, trial_name
from search_spaces.trial_params import TrialParams, Value


@dataclass(frozen=True)
class TrialTask:
    """One trial to run: its number within its phase, its parameters, its seed.

    Attributes:
        extras: further training settings that the space varies; they replace the profile's.
    """

    number: int
    params: TrialParams
    seed: int
    phase: PhaseName = "search"
    extras: Mapping[str, Value] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return trial_name(self.number, self.phase)

    @property
    def settings(self) -> dict[str, Any]:
        """All values that distinguish this trial from others."""
        return {**self.params.model_dump(), **self.extras}


@dataclass(frozen=True)
class Rung:
    """A trial's intermediate result at one rung, on the validation pairs.

    Attributes:
        step: optimisation steps done by this trial.
        value: the score that the search optimises.
        components: the parts of the score, means over the validation pairs.
        losses: the mean of each loss since the last rung.
        crop: PNG bytes, the part of a restored picture that retouching changed most, enlarged.
        remark: a sentence for the user about how trials are trained, shown once; usually empty.
    """

    step: int
    value: float
    components: dict[str, float]
    losses: dict[str, float]
    crop: bytes = field(default=b"", repr=False)
    remark: str = ""


@dataclass(frozen=True)
class Memory:
    """GPU memory of a trial that ran alone on its GPU, in bytes.

    Attributes:
        peak: the most that its process will use, with a full cache of captured steps.
        room: what all workers on the GPU may use together; a share of the GPU stays free.
    """

    peak: int
    room: int


@dataclass(frozen=True)
class TrialResult:
    """The result of a trial that was not pruned.

    Attributes:
        checkpoint: its generator's weights; None if an external program stores them, or if they
            are not kept.
        panel: PNG bytes, one row per picture: retouched | restored | original | mask outline;
            empty for a finalist's run, whose panel would not be shown, and if files are not kept.
    """

    rung: Rung
    per_image: tuple[dict[str, float | str], ...] = field(repr=False)
    checkpoint: Path | None
    memory: Memory | None = None
    panel: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class Pace:
    """How fast a worker trains and scores while all workers do so.

    Attributes:
        steps: seconds per training step, by netG; empty if they could not be measured.
        scoring: seconds to restore and score one pair.
    """

    steps: Mapping[str, float] = field(default_factory=dict)
    scoring: float = 0.0


class Answer(IntEnum):
    """The driver's answer to a rung.

    A trial that reaches its end saves its weights and, in the search, a panel; after ONLY_SCORE
    neither.
    """

    STOP = 0
    GO_ON = 1
    ONLY_SCORE = 2


Report = Callable[[Rung], Answer | bool]
"""Called at every rung. An answer that is a bool says whether to go on."""

ProgressCallback = Callable[[int, int], None]
"""Called with the progress of a long preparation: optimisation steps done, and steps in total."""


class TrialRunner(Protocol):
    """Runs a worker's trials; created once per worker by a picklable factory."""

    def prepare(self, on_progress: ProgressCallback) -> Baseline:
        """Train the shared warm starts unless they exist; return the scores to compare with."""
        ...

    def measure(self) -> Pace:
        """Time a few steps with each kind of generator. Changes nothing that a trial uses."""
        ...

    def run(self, task: TrialTask, report: Report) -> TrialResult | None:
        """Run one trial; None if `report` stopped it.

        Raises:
            DivergedError: a loss or the score is no longer finite.
        """
        ...
