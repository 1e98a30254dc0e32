"""Prepared pairs as one file: what a trial's process loads. Needs torch only."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from harness.paths import write_aside

FILE_FORMAT = 2


@dataclass(frozen=True)
class PairSet:
    """Pairs of one split; entry i of each tuple belongs to `names[i]`.

    Attributes:
        names: one name a pair.
        retouched: uint8 `[3, h, w]`, what the generator is given.
        originals: uint8 `[3, h, w]`, what it should return.
        masks: bool `[1, h, w]`, the warped region before dilation.
        undone: uint8 `[3, h, w]`, the retouched picture warped back by the field that is known
            to undo it; no entry at all where that is not known of every pair.
    """

    names: tuple[str, ...]
    retouched: tuple[Tensor, ...]
    originals: tuple[Tensor, ...]
    masks: tuple[Tensor, ...]
    undone: tuple[Tensor, ...] = ()

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class Dataset:
    """The splits of one study. `test` is held out from the search and may be empty."""

    train: PairSet
    val: PairSet
    test: PairSet
    digest: str


def save_dataset(dataset: Dataset, file: Path) -> None:
    """Write aside, then rename: a half-made file never stands under the true name."""
    held = {
        "format": FILE_FORMAT,
        "digest": dataset.digest,
        **{
            split: {kind: list(entries) for kind, entries in vars(pairs).items()}
            for split, pairs in (
                ("train", dataset.train),
                ("val", dataset.val),
                ("test", dataset.test),
            )
        },
    }
    with write_aside(file) as aside:
        torch.save(held, aside)


def load_dataset(file: Path) -> Dataset:
    """Read a file of `save_dataset`; the tensors stay on the disk until they are touched.

    Raises:
        OSError: the file cannot be opened.
        ValueError: it is not such a file, or it is damaged.
    """
    try:
        held: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
        if held["format"] != FILE_FORMAT:
            raise ValueError(f"format {held['format']}, expected {FILE_FORMAT}")
        splits = {
            split: PairSet(**{kind: tuple(entries) for kind, entries in held[split].items()})
            for split in ("train", "val", "test")
        }
        return Dataset(**splits, digest=held["digest"])
    except OSError:
        raise
    except Exception as error:
        raise ValueError(f"{file} is not a file of prepared pairs: {error}") from error
