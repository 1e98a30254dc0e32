"""Types that the driver and its workers exchange about a trial. Without torch: both import it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from search_spaces.params import TrialParams, Value

StageName = Literal["search", "final"]
"""The search, scored on the validation pairs; or its finalists, longer and on the test pairs."""


def trial_name(number: int, stage: StageName = "search") -> str:
    """`t037`, or `f03` for a run of a finalist."""
    return f"t{number:03d}" if stage == "search" else f"f{number:02d}"


@dataclass(frozen=True)
class TrialTask:
    """One trial to run: its number within its stage, its parameters, its seed.

    Attributes:
        extras: further training settings that the space varies; they replace the profile's.
    """

    number: int
    params: TrialParams
    seed: int
    stage: StageName = "search"
    extras: Mapping[str, Value] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return trial_name(self.number, self.stage)

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
        panel: PNG bytes, one row per picture: retouched | restored | original | mask outline.
    """

    step: int
    value: float
    components: dict[str, float]
    losses: dict[str, float]
    panel: bytes = field(repr=False)


@dataclass(frozen=True)
class Memory:
    """GPU memory of a trial that ran alone on its GPU, in bytes.

    Attributes:
        peak: the maximum that its process used.
        room: the memory available to it and to further trials together.
    """

    peak: int
    room: int


@dataclass(frozen=True)
class TrialResult:
    """The result of a trial that was not pruned.

    Attributes:
        checkpoint: its generator's weights; None if an external program stores them.
    """

    rung: Rung
    per_image: tuple[dict[str, float | str], ...] = field(repr=False)
    checkpoint: Path | None
    memory: Memory | None = None


@dataclass(frozen=True)
class Baseline:
    """Scores to compare every trial with.

    Attributes:
        noop: of the input unchanged.
        warm_start: of the shared warm start; None where trials train from scratch.
        oracle: of the input warped back, the best that can be; None where the warp is not known.
        held_out_noop: of the input unchanged on the test pairs, the others being on the validation
            pairs; None where there are none.
        other_warm_start: of the shared warm start of the other kind of generator; None where there
            is none.
    """

    noop: float
    warm_start: float | None
    oracle: float | None = None
    held_out_noop: float | None = None
    other_warm_start: float | None = None


class Report(Protocol):
    """Callback for every rung; returns whether to continue (False: the trial is pruned)."""

    def __call__(self, rung: Rung) -> bool: ...


class TrialRunner(Protocol):
    """Runs a worker's trials; created once per worker by a picklable factory."""

    def prepare(self, tell: "Tell") -> Baseline:
        """Make the shared warm start unless it exists; `tell` is the progress callback."""
        ...

    def run(self, task: TrialTask, report: Report) -> TrialResult | None:
        """Run one trial; None if `report` stopped it.

        Raises:
            DivergedError: a loss or the score is no longer finite.
        """
        ...


class Tell(Protocol):
    """Progress callback of a long preparation, in optimisation steps."""

    def __call__(self, done: int, total: int) -> None: ...
