"""Pairs that need not fit into memory: their tensors are mapped from temporary files."""

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

Layout = tuple[str, dict[str, tuple[torch.dtype, tuple[int, ...]]]]
"""A pair's name, and the type and shape of each of its tensors."""

TENSORS = [field.name for field in fields(TrainingPair) if field.name != "name"]


def memory_mapped(pairs: Iterable[TrainingPair], folder: Path) -> list[TrainingPair]:
    """The same pairs, with their tensors mapped from files in `folder`.

    Only one pair at a time is in memory. The files have no names, so the system frees them with
    the tensors, however this process ends.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        stack.push(partial(remove_if_empty, folder))
        files = {
            dtype: stack.enter_context(TemporaryFile(dir=folder))
            for dtype in (torch.uint8, torch.bool)
        }
        layouts = [write_tensors(pair, files) for pair in pairs]
        rest = {}
        for dtype, file in files.items():
            file.flush()
            if file.tell():
                # Copy-on-write, although nothing writes: torch warns about read-only buffers.
                content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
                rest[dtype] = torch.frombuffer(content, dtype=dtype)
    return [mapped(layout, rest) for layout in layouts]


def remove_if_empty(folder: Path, error: type[BaseException] | None, *_: object) -> None:
    """After an error, remove the folder if nothing else is in it."""
    if error is not None:
        with suppress(OSError):
            folder.rmdir()


def write_tensors(pair: TrainingPair, files: Mapping[torch.dtype, IO[bytes]]) -> Layout:
    """Append a pair's tensors to the files; return only its name and shapes.

    Any tensor that remained would stop the allocator from reusing the memory before it, which is
    24 MB per pair at 1024 px.
    """
    shapes = {}
    for name in TENSORS:
        tensor = getattr(pair, name)
        if tensor is not None:
            files[tensor.dtype].write(tensor.contiguous().numpy().data)
            shapes[name] = (tensor.dtype, tuple(tensor.shape))
    return pair.name, shapes


def mapped(layout: Layout, rest: dict[torch.dtype, Tensor]) -> TrainingPair:
    """Take the next mapped bytes for a pair, in the order in which they were written."""
    name, shapes = layout
    tensors = {}
    for kind, (dtype, shape) in shapes.items():
        size = math.prod(shape)
        tensors[kind] = rest[dtype][:size].view(shape)
        rest[dtype] = rest[dtype][size:]
    return TrainingPair(name, **tensors)
