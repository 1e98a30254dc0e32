"""What a driver and its workers say to one another about a trial. No torch: both sides read it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from search_spaces.params import TrialParams, Value

StageName = Literal["search", "final"]
"""The search itself, on the validation pairs; or its finalists, longer and on the test pairs."""


def trial_name(number: int, stage: StageName = "search") -> str:
    """`t037`, or `f03` among the finalists' runs."""
    return f"t{number:03d}" if stage == "search" else f"f{number:02d}"


@dataclass(frozen=True)
class TrialTask:
    """One trial to run: its number in its stage, its values, its seed.

    Attributes:
        extras: training settings that the space varies beside the five, in place of the profile's.
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
        """Everything that makes this trial another than its neighbour."""
        return {**self.params.model_dump(), **self.extras}


@dataclass(frozen=True)
class Rung:
    """A trial's standing at one rung: score and components on the validation pairs.

    Attributes:
        step: optimisation steps done by this trial.
        value: the headline score.
        components: its parts, means over the validation pairs.
        losses: each loss's mean since the last rung.
        panel: PNG bytes: retouched | restored | original | mask outline, a row a picture.
    """

    step: int
    value: float
    components: dict[str, float]
    losses: dict[str, float]
    panel: bytes = field(repr=False)


@dataclass(frozen=True)
class Memory:
    """What a trial that ran alone on a GPU says about running several there. In bytes.

    Attributes:
        peak: the most that its process took.
        room: what it and others like it can take together.
    """

    peak: int
    room: int


@dataclass(frozen=True)
class TrialResult:
    """How a trial that was not stopped ended.

    Attributes:
        checkpoint: its generator's weights; None where another program keeps them.
    """

    rung: Rung
    per_image: tuple[dict[str, float | str], ...] = field(repr=False)
    checkpoint: Path | None
    memory: Memory | None = None


@dataclass(frozen=True)
class Baseline:
    """Scores every trial is read against.

    Attributes:
        noop: of the input unchanged.
        warm_start: of the shared warm start; None where trials train from scratch.
        oracle: of the input warped back, the best that can be; None where the warp is not known.
        held_out_noop: of the input unchanged on the test pairs, the others being on the validation
            pairs; None where there are none.
    """

    noop: float
    warm_start: float | None
    oracle: float | None = None
    held_out_noop: float | None = None


class Report(Protocol):
    """Called at every rung; answers whether to go on (False: pruned, stop)."""

    def __call__(self, rung: Rung) -> bool: ...


class TrialRunner(Protocol):
    """What lives in a worker across trials; made once there by a picklable factory."""

    def prepare(self, tell: "Tell") -> Baseline:
        """Make the shared warm start unless the run folder has it; `tell` hears of progress."""
        ...

    def run(self, task: TrialTask, report: Report) -> TrialResult | None:
        """Run one trial; None when `report` stopped it.

        Raises:
            DivergedError: a loss or score stopped being finite.
        """
        ...


class Tell(Protocol):
    """Hears how far a long preparation is."""

    def __call__(self, done: int, total: int) -> None: ...
