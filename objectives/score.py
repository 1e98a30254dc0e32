"""What every objective takes and returns."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from torch import Tensor


@dataclass(frozen=True)
class Reference:
    """The fixed side of a comparison: what restored pictures are judged against.

    Attributes:
        names: one name a picture.
        targets: the originals, float `[n, 3, h, w]` in [0, 1].
        masks: the warped regions before dilation, bool `[n, 1, h, w]`.
        inputs: the retouched pictures, as `targets`; None where they are not at hand.
    """

    names: tuple[str, ...]
    targets: Tensor
    masks: Tensor
    inputs: Tensor | None


@dataclass(frozen=True)
class Score:
    """A headline value, the set means it is made of, and every picture's own figures.

    `per_image` rows hold `name` (str), `score` (float) and the components of that picture.
    """

    value: float
    components: dict[str, float]
    per_image: tuple[dict[str, float | str], ...] = field(repr=False)


Scorer = Callable[[Tensor], Score]
"""Restored pictures, float `[n, 3, h, w]` in [0, 1] -> their score."""


class Objective(Protocol):
    """A way to score restored pictures. `weights` names the networks it looks through."""

    name: str
    direction: Literal["maximize", "minimize"]
    value_range: tuple[float, float]
    weights: str

    def against(self, reference: Reference) -> Scorer:
        """Prepare once whatever depends on the reference alone; return the scorer."""
        ...
