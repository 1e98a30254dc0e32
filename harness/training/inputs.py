"""The tensors from which a captured step takes its batches.

Where the pairs are on the device, the graph itself cuts the batches: before a replay the host only
writes where each picture begins.
"""

from collections.abc import Iterable, Iterator

import torch

from harness.training.batches import Batch, Batches, DevicePairs, Draw, to_signed
from harness.training.perceptual import Features


class Copied:
    """Copies of batches that were cut before: all of the same shape."""

    def __init__(self, batch: Batch) -> None:
        retouched, original, features = batch
        self.held = Batch(
            retouched.clone(),
            original.clone(),
            features and tuple(layer.clone() for layer in features),
        )

    def batch(self) -> Batch:
        """The batch that a step trains on; called while it is captured."""
        return self.held

    def feed(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        return iter(batches)

    def write(self, batch: Batch) -> None:
        """Make `batch` the next one."""
        self.held.retouched.copy_(batch.retouched)
        self.held.original.copy_(batch.original)
        copy_features(self.held.original_features, batch.original_features)


class Gathered:
    """Batches that the graph cuts from the pictures' bytes.

    Attributes:
        places: int64 `[n, 4]`, for each picture its first byte, and the distance in bytes to the
            next channel, row and column (negative in a flipped picture).
    """

    def __init__(self, batches: Batches, pairs: DevicePairs) -> None:
        first, device = batches.peek(), pairs.both.device
        size = batches.settings.crop_size
        self.pairs = pairs
        self.places = torch.zeros(len(first), 4, dtype=torch.int64, device=device)
        self.channels = torch.arange(3, device=device)
        self.columns = torch.arange(size, device=device).view(-1, 1)
        self.rows = torch.arange(size, device=device).view(-1, 1, 1)
        features = batches.features(first)
        self.features = features and tuple(layer.clone() for layer in features)
        self.held: Batch | None = None
        self.place(first)

    def batch(self) -> Batch:
        """The batch that a step trains on; called while it is captured."""
        start, *distances = (each.view(-1, 1, 1, 1) for each in self.places.unbind(1))
        index = start
        for distance, of in zip(distances, (self.channels, self.rows, self.columns), strict=True):
            index = torch.addcmul(index, distance, of)
        retouched, original = to_signed(self.pairs.both[:, index]).permute(0, 1, 4, 2, 3)
        self.held = Batch(retouched, original, self.features)
        return self.held

    def feed(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Yields what `batch` returned, once it is prepared; a smaller batch is cut here."""
        assert isinstance(batches, Batches)
        assert batches.pairs is self.pairs
        assert self.held is not None
        for draw in batches.draws:
            if len(draw) != len(self.places):
                yield batches.cut(draw)
                continue
            self.place(draw)
            copy_features(self.features, batches.features(draw))
            yield self.held

    def place(self, draw: Draw) -> None:
        """Write the places of a draw. From pinned memory, so that the host need not wait."""
        rows = [self.pairs.place(index, cut) for index, cut in draw]
        self.places.copy_(torch.tensor(rows).pin_memory(), non_blocking=True)

    def write(self, batch: Batch) -> None:
        """`feed` has prepared it."""
        assert self.held is not None
        assert batch.retouched is self.held.retouched


Inputs = Copied | Gathered


def inputs_for(batches: Batches) -> Inputs:
    """What a captured step needs to train on `batches`, none of which is taken."""
    if isinstance(batches.pairs, DevicePairs):
        return Gathered(batches, batches.pairs)
    return Copied(batches.cut(batches.peek()))


def copy_features(targets: Features | None, sources: Features | None) -> None:
    for target, source in zip(targets or (), sources or (), strict=True):
        target.copy_(source)
