"""Prepared pairs as one file, which the processes of trials load. Needs torch only."""

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
    """Write a temporary file and rename it, so that no incomplete file has the final name."""
    content = {
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
        torch.save(content, aside)


def load_dataset(file: Path) -> Dataset:
    """Read a file of `save_dataset`; tensors are memory-mapped.

    Raises:
        OSError: the file cannot be opened.
        ValueError: it is not a file of prepared pairs, or it is damaged.
    """
    try:
        content: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
        if content["format"] != FILE_FORMAT:
            raise ValueError(f"format {content['format']}, expected {FILE_FORMAT}")
        splits = {
            split: PairSet(**{kind: tuple(entries) for kind, entries in content[split].items()})
            for split in ("train", "val", "test")
        }
        return Dataset(**splits, digest=content["digest"])
    except OSError:
        raise
    except Exception as error:
        raise ValueError(f"{file} is not a file of prepared pairs: {error}") from error
