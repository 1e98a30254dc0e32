"""The static tensors from which a captured step reads its batches.

If the pairs are on the device, the graph itself cuts the batches: before a replay, the host only
writes where each picture begins.
"""

from collections.abc import Iterable, Iterator

import torch

from harness.training.batches import Batch, Batches, DevicePairs, Draw, to_signed
from harness.training.perceptual import Features


class CopiedInputs:
    """A static batch, into which batches of the same shape are copied."""

    def __init__(self, batch: Batch) -> None:
        retouched, original, features = batch
        self.static_batch = Batch(
            retouched.clone(),
            original.clone(),
            features and tuple(layer.clone() for layer in features),
        )

    def batch(self) -> Batch:
        """The batch that a step trains on; called while it is captured."""
        return self.static_batch

    def feed(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        return iter(batches)

    def write(self, batch: Batch) -> None:
        """Copy `batch` to where the next replay reads it."""
        self.static_batch.retouched.copy_(batch.retouched)
        self.static_batch.original.copy_(batch.original)
        copy_features(self.static_batch.original_features, batch.original_features)


class GatheredInputs:
    """Batches that the graph itself cuts out of the pictures' bytes.

    Attributes:
        layouts: int64 `[n, 4]`, for each picture the offset of its first byte and the strides in
            bytes of channels, rows and columns (the last is negative in a flipped picture).
    """

    def __init__(self, batches: Batches, pairs: DevicePairs) -> None:
        first, device = batches.peek(), pairs.both.device
        size = batches.settings.crop_size
        self.pairs = pairs
        self.layouts = torch.zeros(len(first), 4, dtype=torch.int64, device=device)
        self.channels = torch.arange(3, device=device)
        self.columns = torch.arange(size, device=device).view(-1, 1)
        self.rows = torch.arange(size, device=device).view(-1, 1, 1)
        features = batches.features(first)
        self.features = features and tuple(layer.clone() for layer in features)
        self.static_batch: Batch | None = None
        self.write_layouts(first)

    def batch(self) -> Batch:
        """The batch that a step trains on; called while it is captured."""
        start, *strides = (each.view(-1, 1, 1, 1) for each in self.layouts.unbind(1))
        index = start
        for stride, steps in zip(strides, (self.channels, self.rows, self.columns), strict=True):
            index = torch.addcmul(index, stride, steps)
        retouched, original = to_signed(self.pairs.both[:, index]).permute(0, 1, 4, 2, 3)
        self.static_batch = Batch(retouched, original, self.features)
        return self.static_batch

    def feed(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Prepare each draw for the next replay, and yield the batch that `batch` returned.

        A smaller batch is cut here instead, and yielded for an eager step.
        """
        assert isinstance(batches, Batches)
        assert batches.pairs is self.pairs
        assert self.static_batch is not None
        for draw in batches.draws:
            if len(draw) != len(self.layouts):
                yield batches.cut(draw)
                continue
            self.write_layouts(draw)
            copy_features(self.features, batches.features(draw))
            yield self.static_batch

    def write_layouts(self, draw: Draw) -> None:
        """Write the layouts of a draw, from pinned memory, so that the host need not wait."""
        rows = [self.pairs.layout_of(index, cut) for index, cut in draw]
        self.layouts.copy_(torch.tensor(rows).pin_memory(), non_blocking=True)

    def write(self, batch: Batch) -> None:
        """Nothing to do: `feed` has prepared the batch."""
        assert self.static_batch is not None
        assert batch.retouched is self.static_batch.retouched


Inputs = CopiedInputs | GatheredInputs


def inputs_for(batches: Batches) -> Inputs:
    """The inputs for a captured step that trains on `batches`; consumes none of them."""
    if isinstance(batches.pairs, DevicePairs):
        return GatheredInputs(batches, batches.pairs)
    return CopiedInputs(batches.cut(batches.peek()))


def copy_features(targets: Features | None, sources: Features | None) -> None:
    for target, source in zip(targets or (), sources or (), strict=True):
        target.copy_(source)
