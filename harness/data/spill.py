"""Pairs that need not fit into memory: their tensors lie in files, read as they are used."""

from collections.abc import Iterable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Any

import torch
from torch import Tensor

from harness.data.sizing import TrainingPair

TENSORS = [field.name for field in fields(TrainingPair) if field.name != "name"]


def spilled(pairs: Iterable[TrainingPair], folder: Path) -> list[TrainingPair]:
    """The same pairs with their tensors mapped from files in `folder`.

    One pair is in memory at a time. The files have no names any more when this returns: the
    system frees them with the tensors.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        stack.push(partial(leave_no_empty, folder))
        files = {
            dtype: stack.enter_context(NamedTemporaryFile(dir=folder, suffix=".tmp"))
            for dtype in (torch.uint8, torch.bool)
        }
        outlines = [written(pair, files) for pair in pairs]
        rest = {}
        for dtype, file in files.items():
            file.flush()
            if size := file.tell():
                rest[dtype] = torch.from_file(file.name, shared=True, size=size, dtype=dtype)
    return [mapped(outline, rest) for outline in outlines]


def leave_no_empty(folder: Path, error: type[BaseException] | None, *_: object) -> None:
    """Where the pairs cannot be used, the folder goes too if nothing else is in it."""
    if error is not None:
        with suppress(OSError):
            folder.rmdir()


def written(pair: TrainingPair, files: Mapping[torch.dtype, IO[bytes]]) -> TrainingPair:
    """Write a pair's tensors behind those before them; what stays of it are their shapes."""
    shapes: dict[str, Any] = {}
    for name in TENSORS:
        tensor = getattr(pair, name)
        if tensor is not None:
            files[tensor.dtype].write(tensor.contiguous().numpy().data)
            shapes[name] = torch.empty_like(tensor, device="meta")
    return replace(pair, **shapes)


def mapped(outline: TrainingPair, rest: dict[torch.dtype, Tensor]) -> TrainingPair:
    """Give a pair the next of the mapped bytes, in the order in which they were written."""
    tensors: dict[str, Any] = {}
    for name in TENSORS:
        shape = getattr(outline, name)
        if shape is not None:
            held = rest[shape.dtype]
            tensors[name] = held[: shape.numel()].view(shape.shape)
            rest[shape.dtype] = held[shape.numel() :]
    return replace(outline, **tensors)
