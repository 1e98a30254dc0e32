"""Prepared pairs as one file, which the processes of trials map into memory. Needs torch only.

The file has the bytes of all tensors, an index as JSON, and the position of the index.
"""

import json
import math
import mmap
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from harness.paths import replace_atomically

TAIL = struct.Struct("<8sQ")
FILE_FORMAT = b"pairs-v3"
# The tensors of a pair, in the order in which they are stored.
TENSORS = {
    "retouched": torch.uint8,
    "original": torch.uint8,
    "mask": torch.bool,
    "undone": torch.uint8,
}


@dataclass(frozen=True)
class TrainingPair:
    """A pair as uint8 `[3, h, w]` tensors, and its warped region, bool `[1, h, w]`.

    `undone` is the retouched picture warped back; None if the inverse field is not known.
    """

    name: str
    retouched: Tensor
    original: Tensor
    mask: Tensor
    undone: Tensor | None = None


@dataclass(frozen=True)
class PairSet:
    """Pairs of one split; entry i of each tuple belongs to `names[i]`.

    Attributes:
        names: one name per pair.
        retouched: uint8 `[3, h, w]`, the input of the generator.
        originals: uint8 `[3, h, w]`, its target.
        masks: bool `[1, h, w]`, the warped region before dilation.
        undone: uint8 `[3, h, w]`, the retouched picture warped back by its inverse field; empty
            unless that field is known for every pair.
    """

    names: tuple[str, ...]
    retouched: tuple[Tensor, ...]
    originals: tuple[Tensor, ...]
    masks: tuple[Tensor, ...]
    undone: tuple[Tensor, ...] = ()

    @classmethod
    def of(cls, pairs: Sequence[TrainingPair]) -> "PairSet":
        undone = tuple(pair.undone for pair in pairs if pair.undone is not None)
        return cls(
            tuple(pair.name for pair in pairs),
            tuple(pair.retouched for pair in pairs),
            tuple(pair.original for pair in pairs),
            tuple(pair.mask for pair in pairs),
            undone if len(undone) == len(pairs) else (),
        )

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> TrainingPair:
        tensors = (self.retouched[index], self.originals[index], self.masks[index])
        return TrainingPair(
            self.names[index], *tensors, self.undone[index] if self.undone else None
        )

    def __iter__(self) -> Iterator[TrainingPair]:
        return map(self.__getitem__, range(len(self)))


@dataclass(frozen=True)
class Dataset:
    """The splits of one study. `test` is held out from the search and may be empty."""

    train: PairSet
    val: PairSet
    test: PairSet
    digest: str


def save_dataset(dataset: Dataset, file: Path) -> None:
    """Write a dataset atomically."""
    splits = {"train": dataset.train, "val": dataset.val, "test": dataset.test}
    with replace_atomically(file) as aside:
        write_pairs(splits, dataset.digest, aside)


def write_pairs(splits: Mapping[str, Iterable[TrainingPair]], digest: str, file: Path) -> None:
    """Write the pairs of the three splits, with only one pair at a time in memory."""
    index: dict[str, Any] = {}
    with file.open("wb") as out:
        for split, pairs in splits.items():
            index[split] = []
            for pair in pairs:
                shapes = {}
                for kind in TENSORS:
                    tensor = getattr(pair, kind)
                    if tensor is not None:
                        out.write(tensor.contiguous().numpy().data)
                        shapes[kind] = tuple(tensor.shape)
                index[split].append((pair.name, shapes))
        end = out.tell()
        out.write(json.dumps({"digest": digest, "splits": index}).encode())
        out.write(TAIL.pack(FILE_FORMAT, end))


def load_dataset(file: Path) -> Dataset:
    """Map a file of `write_pairs` into memory.

    Raises:
        OSError: the file cannot be opened.
        ValueError: it is not a file of prepared pairs, or it is damaged.
    """
    try:
        with file.open("rb") as opened:
            # Copy-on-write, although nothing writes: torch warns about read-only buffers.
            content = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_COPY)
        file_format, end = TAIL.unpack(content[-TAIL.size :])
        if file_format != FILE_FORMAT:
            raise ValueError("its format is another one")
        index = json.loads(content[end : -TAIL.size])
        place = 0
        splits = {}
        for split, entries in index["splits"].items():
            pairs = []
            for name, shapes in entries:
                tensors = {}
                for kind, shape in shapes.items():
                    count = math.prod(shape)
                    flat = torch.frombuffer(content, dtype=TENSORS[kind], count=count, offset=place)
                    tensors[kind] = flat.view(shape)
                    place += count
                pairs.append(TrainingPair(name, **tensors))
            splits[split] = PairSet.of(pairs)
        return Dataset(**splits, digest=index["digest"])
    except OSError:
        raise
    except Exception as error:
        raise ValueError(f"{file} is not a file of prepared pairs: {error}") from error
