"""Compute a network's features only where a picture can differ from a known picture.

Only features whose receptive field contains a changed pixel can change, and only features that are
read are needed. So each slice of the network runs on a rectangle, padded with the features of the
known picture.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

Place = tuple[slice, slice]
"""A rectangle of a map: its rows and columns."""


@dataclass(frozen=True)
class Reach:
    """The receptive field along an axis: output j depends on inputs `j * stride - before` to
    `j * stride + after`."""

    stride: int
    before: int
    after: int

    @classmethod
    def of(cls, part: nn.Module) -> "Reach":
        """The reach of a sequence of convolutions and poolings; of branches, the widest."""
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
        """The outputs, of `size`, that depend on any of `inputs`."""
        first = math.ceil((inputs.start - self.after) / self.stride)
        last = (inputs.stop - 1 + self.before) // self.stride
        return slice(max(0, first), min(size, last + 1))

    def seen(self, outputs: slice, size: int) -> slice:
        """The inputs, of `size`, that `outputs` depend on; starts at a multiple of the stride."""
        first = (outputs.start * self.stride - self.before) // self.stride * self.stride
        return slice(max(0, first), min(size, (outputs.stop - 1) * self.stride + self.after + 1))


@dataclass(frozen=True)
class Step:
    """One slice of the network on one rectangle.

    Attributes:
        part: the slice.
        around: the known picture's maps on the rectangle that is the slice's input.
        source: the rectangle of the previous step's output that is copied into them.
        target: where it is copied to.
        valid: the valid rectangle of the slice's output; the rest depends on the border.
    """

    part: nn.Module
    around: Tensor
    source: Place
    target: Place
    valid: Place

    def __call__(self, before: Tensor) -> Tensor:
        maps = self.around.clone()
        maps[..., *self.target] = before[..., *self.source]
        out: Tensor = self.part(maps)[..., *self.valid]
        return out


def plan_steps(
    parts: Sequence[nn.Module], known: Sequence[Tensor], changed: Place, read: Sequence[Place]
) -> tuple[list[Step], list[Place]]:
    """Plan how to run `parts` on pictures that differ from known ones only inside `changed`.

    Args:
        parts: the network's slices, each continuing from the one before.
        known: maps `[n, c, h, w]` of the known pictures: the first slice's input, every output.
        changed: not empty.
        read: per slice, the rectangle of its output that is read.

    Returns:
        One step per slice, and the rectangles of their results in the slices' full outputs. The
        first step takes pictures cropped to `changed`.
    """
    reaches = [Reach.of(part) for part in parts]
    sizes = [(maps.shape[-2], maps.shape[-1]) for maps in known]
    places = [changed]
    for reach, size in zip(reaches, sizes[1:], strict=True):
        rows, columns = places[-1]
        places.append((reach.touched(rows, size[0]), reach.touched(columns, size[1])))
    fields: list[Place] = []
    for k in reversed(range(len(parts))):
        needed = read[k] if not fields else hull(read[k], fields[-1])
        places[k + 1] = common(places[k + 1], needed)
        rows, columns = places[k + 1]
        fields.append((reaches[k].seen(rows, sizes[k][0]), reaches[k].seen(columns, sizes[k][1])))
    steps = []
    for k, (part, field) in enumerate(zip(parts, reversed(fields), strict=True)):
        copied = common(places[k], field)
        rows, columns = (span.start // reaches[k].stride for span in field)
        steps.append(
            Step(
                part,
                known[k][..., *field].contiguous(memory_format=torch.channels_last),
                within(copied, places[k]),
                within(copied, field),
                within(places[k + 1], (slice(rows, None), slice(columns, None))),
            )
        )
    return steps, places[1:]


def hull(a: Place, b: Place) -> Place:
    """The smallest rectangle that contains both."""
    rows, columns = (
        slice(min(x.start, y.start), max(x.stop, y.stop)) for x, y in zip(a, b, strict=True)
    )
    return rows, columns


def common(a: Place, b: Place) -> Place:
    """The intersection of two rectangles."""
    rows, columns = (
        slice(max(x.start, y.start), min(x.stop, y.stop)) for x, y in zip(a, b, strict=True)
    )
    return rows, columns


def within(place: Place, other: Place) -> Place:
    """`place` relative to the start of `other`."""
    rows, columns = (
        slice(x.start - y.start, x.stop - y.start) for x, y in zip(place, other, strict=True)
    )
    return rows, columns


def place_of(mask: Tensor) -> Place:
    """The bounding rectangle of a mask `[h, w]`; its first pixel if the mask is empty."""
    spans = []
    for indices in (mask.any(1).nonzero(), mask.any(0).nonzero()):
        first, last = (int(indices.min()), int(indices.max())) if len(indices) else (0, 0)
        spans.append(slice(first, last + 1))
    return spans[0], spans[1]
