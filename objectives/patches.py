"""A network's features where a picture may differ from a known one, without the rest of it.

Only features that look at a changed pixel can change, and only those that somebody reads are
needed. So each slice of the network runs on a rectangle; about it stand the known picture's own
features.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

Place = tuple[slice, slice]
"""Rows and columns of a map."""


@dataclass(frozen=True)
class Reach:
    """Along an axis, output j looks at inputs `j * stride - before` to `j * stride + after`."""

    stride: int
    before: int
    after: int

    @classmethod
    def of(cls, part: nn.Module) -> "Reach":
        """Of convolutions and poolings, one after the other; branches count as their widest."""
        stride, before, after = 1, 0, 0
        for module in part.modules():
            if isinstance(module, nn.Conv2d | nn.MaxPool2d):
                kernel, step, padding = (
                    value if isinstance(value, int) else int(value[0])
                    for value in (module.kernel_size, module.stride, module.padding)
                )
                before += padding * stride
                after += (kernel - 1 - padding) * stride
                stride *= step
        return cls(stride, before, after)

    def touched(self, inputs: slice, size: int) -> slice:
        """The outputs, of `size`, that look at some of `inputs`."""
        first = math.ceil((inputs.start - self.after) / self.stride)
        last = (inputs.stop - 1 + self.before) // self.stride
        return slice(max(0, first), min(size, last + 1))

    def seen(self, outputs: slice, size: int) -> slice:
        """The inputs, of `size`, that `outputs` look at; begins where an output does."""
        first = (outputs.start * self.stride - self.before) // self.stride * self.stride
        return slice(max(0, first), min(size, (outputs.stop - 1) * self.stride + self.after + 1))


@dataclass(frozen=True)
class Step:
    """One slice of the network on one rectangle.

    Attributes:
        part: the slice.
        around: the known picture's maps on the rectangle that the slice looks at.
        taken: what of the step before is put into them.
        into: where.
        kept: what of the slice's output counts; the rest saw the rectangle's edge.
    """

    part: nn.Module
    around: Tensor
    taken: Place
    into: Place
    kept: Place

    def __call__(self, before: Tensor) -> Tensor:
        maps = self.around.clone()
        maps[..., *self.into] = before[..., *self.taken]
        out: Tensor = self.part(maps)[..., *self.kept]
        return out


def plan_steps(
    parts: Sequence[nn.Module], known: Sequence[Tensor], changed: Place, read: Sequence[Place]
) -> tuple[list[Step], list[Place]]:
    """How to run `parts` on pictures that differ from a known one in the rectangle `changed` alone.

    Args:
        parts: the network's slices, each continuing from the one before.
        known: maps `[n, c, h, w]` of the known pictures: the first slice's input, every output.
        changed: not empty.
        read: per slice, which part of its output is read.

    Returns:
        A step a slice, and the places of their results in the slices' whole outputs. The first
        step takes pictures cut to `changed`.
    """
    reaches = [Reach.of(part) for part in parts]
    sizes = [(maps.shape[-2], maps.shape[-1]) for maps in known]
    places = [changed]
    for reach, size in zip(reaches, sizes[1:], strict=True):
        rows, columns = places[-1]
        places.append((reach.touched(rows, size[0]), reach.touched(columns, size[1])))
    seen: list[Place] = []
    for k in reversed(range(len(parts))):
        wanted = read[k] if not seen else hull(read[k], seen[-1])
        places[k + 1] = common(places[k + 1], wanted)
        rows, columns = places[k + 1]
        seen.append((reaches[k].seen(rows, sizes[k][0]), reaches[k].seen(columns, sizes[k][1])))
    steps = []
    for k, (part, looked) in enumerate(zip(parts, reversed(seen), strict=True)):
        given = common(places[k], looked)
        rows, columns = (at.start // reaches[k].stride for at in looked)
        steps.append(
            Step(
                part,
                known[k][..., *looked].contiguous(memory_format=torch.channels_last),
                within(given, places[k]),
                within(given, looked),
                within(places[k + 1], (slice(rows, None), slice(columns, None))),
            )
        )
    return steps, places[1:]


def hull(a: Place, b: Place) -> Place:
    """The smallest rectangle that holds both."""
    rows, columns = (
        slice(min(x.start, y.start), max(x.stop, y.stop)) for x, y in zip(a, b, strict=True)
    )
    return rows, columns


def common(a: Place, b: Place) -> Place:
    """The rectangle that both hold."""
    rows, columns = (
        slice(max(x.start, y.start), min(x.stop, y.stop)) for x, y in zip(a, b, strict=True)
    )
    return rows, columns


def within(place: Place, other: Place) -> Place:
    """`place`, counted from where `other` begins."""
    rows, columns = (
        slice(x.start - y.start, x.stop - y.start) for x, y in zip(place, other, strict=True)
    )
    return rows, columns


def place_of(held: Tensor) -> Place:
    """The rectangle of `[h, w]` that holds everything true; its first pixel where nothing is."""
    spans = []
    for found in (held.any(1).nonzero(), held.any(0).nonzero()):
        spans.append(slice(int(found.min()), int(found.max()) + 1) if len(found) else slice(0, 1))
    return spans[0], spans[1]
