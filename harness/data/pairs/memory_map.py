"""Pairs that need not fit into memory: their tensors lie in files, read as they are used."""

import math
import mmap
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import fields
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import torch
from torch import Tensor

from harness.data.pairs.sizing import TrainingPair

Outline = tuple[str, dict[str, tuple[torch.dtype, tuple[int, ...]]]]
"""A pair's name, and each of its tensors' type and shape."""

TENSORS = [field.name for field in fields(TrainingPair) if field.name != "name"]


def spilled(pairs: Iterable[TrainingPair], folder: Path) -> list[TrainingPair]:
    """The same pairs with their tensors mapped from files in `folder`.

    One pair is in memory at a time. The files have no names: the system frees them with the
    tensors, however this process ends.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        stack.push(partial(leave_no_empty, folder))
        files = {
            dtype: stack.enter_context(TemporaryFile(dir=folder))
            for dtype in (torch.uint8, torch.bool)
        }
        outlines = [written(pair, files) for pair in pairs]
        rest = {}
        for dtype, file in files.items():
            file.flush()
            if file.tell():
                # A copy only of what is written to, which nobody does; torch warns otherwise.
                held = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
                rest[dtype] = torch.frombuffer(held, dtype=dtype)
    return [mapped(outline, rest) for outline in outlines]


def leave_no_empty(folder: Path, error: type[BaseException] | None, *_: object) -> None:
    """Where the pairs cannot be used, the folder goes too if nothing else is in it."""
    if error is not None:
        with suppress(OSError):
            folder.rmdir()


def written(pair: TrainingPair, files: Mapping[torch.dtype, IO[bytes]]) -> Outline:
    """Write a pair's tensors behind those before them; what stays of it are name and shapes.

    A tensor that stayed, of whatever size, would keep the allocator from using the room before it
    again: 24 MB a pair at 1024 px.
    """
    shapes = {}
    for name in TENSORS:
        tensor = getattr(pair, name)
        if tensor is not None:
            files[tensor.dtype].write(tensor.contiguous().numpy().data)
            shapes[name] = (tensor.dtype, tuple(tensor.shape))
    return pair.name, shapes


def mapped(outline: Outline, rest: dict[torch.dtype, Tensor]) -> TrainingPair:
    """Give a pair the next of the mapped bytes, in the order in which they were written."""
    name, shapes = outline
    tensors = {}
    for kind, (dtype, shape) in shapes.items():
        size = math.prod(shape)
        tensors[kind] = rest[dtype][:size].view(shape)
        rest[dtype] = rest[dtype][size:]
    return TrainingPair(name, **tensors)
