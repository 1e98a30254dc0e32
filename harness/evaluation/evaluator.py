"""Evaluate a generator: restore the pictures of one split and score them."""

import math
from functools import cached_property

import torch
from torch import Tensor, nn

from harness.data.pairs.pair_set import PairSet
from harness.errors import DivergedError
from harness.evaluation.panels import Square, most_changed_square
from harness.training.batches import to_signed, to_unit
from harness.training.networks import restoring
from harness.training.precision import full_float32
from objectives.score import Objective, Reference, Score

# Pixels per batch, which bounds memory for any number and size of pictures.
BATCH_PIXELS = 2**21


class Evaluator:
    """Restores the pairs of one split with a generator, on `device`, and scores the result."""

    def __init__(self, pairs: PairSet, objective: Objective, device: torch.device) -> None:
        retouched, originals, masks = (
            torch.stack(side).to(device) for side in (pairs.retouched, pairs.originals, pairs.masks)
        )
        self.retouched = to_signed(retouched)
        self.reference = Reference(
            pairs.names, to_unit(to_signed(originals)), masks, to_unit(self.retouched)
        )
        with full_float32():
            self.score = objective.against(self.reference)
        self.undone = pairs.undone
        self.device = device

    @cached_property
    def square(self) -> Square:
        """The square that crops show. Computed once, since it synchronises with the device."""
        return most_changed_square(self.reference)

    def noop(self) -> float:
        """The score of the unchanged inputs."""
        with full_float32():
            return self.score(to_unit(self.retouched)).value

    def oracle(self) -> float | None:
        """The score of the inputs with their warp undone; None if the warp is unknown."""
        if not self.undone:
            return None
        with full_float32():
            return self.score(to_unit(to_signed(torch.stack(self.undone).to(self.device)))).value

    def __call__(self, candidate: nn.Module | Tensor) -> tuple[Tensor, Score]:
        """Score a candidate; return its restored pictures, float `[n, 3, h, w]` in [0, 1], too.

        Args:
            candidate: a generator, or pictures that another program restored, in the same format.

        Raises:
            DivergedError: the score is not finite.
        """
        with full_float32(), torch.inference_mode():
            restored = (
                candidate.to(self.device)
                if isinstance(candidate, Tensor)
                else self.restored_by(candidate)
            )
            score = self.score(restored)
        if not math.isfinite(score.value):
            raise DivergedError(f"the score is no longer finite ({score.value})")
        return restored, score

    def restored_by(self, generator: nn.Module) -> Tensor:
        """The retouched pictures restored by `generator`, float `[n, 3, h, w]` in [0, 1]."""
        height, width = self.retouched.shape[-2:]
        batches = torch.split(self.retouched, max(1, BATCH_PIXELS // (height * width)))
        with restoring(generator) as restore:
            return to_unit(torch.cat([restore(batch) for batch in batches]))
