"""Compute a network's features only where a picture can differ from a known picture.

Only features whose receptive field contains a changed pixel can change, and only features that are
used are needed. So each slice of the network runs on a rectangle only, which is surrounded by
features of the known picture.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

Rectangle = tuple[slice, slice]
"""The rows and columns of a rectangle in a map."""


@dataclass(frozen=True)
class ReceptiveField:
    """The receptive field along an axis: output j depends on inputs `j * stride - before` to
    `j * stride + after`."""

    stride: int
    before: int
    after: int

    @classmethod
    def of(cls, part: nn.Module) -> "ReceptiveField":
        """The receptive field of a sequence of convolutions and poolings.

        For parallel branches it is at least as large as that of each.
        """
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

    def affected_outputs(self, inputs: slice, size: int) -> slice:
        """The outputs, of `size` in all, that depend on any of `inputs`."""
        first = math.ceil((inputs.start - self.after) / self.stride)
        last = (inputs.stop - 1 + self.before) // self.stride
        return slice(max(0, first), min(size, last + 1))

    def required_inputs(self, outputs: slice, size: int) -> slice:
        """The inputs, of `size` in all, that `outputs` depend on, from a multiple of the stride."""
        first = (outputs.start * self.stride - self.before) // self.stride * self.stride
        return slice(max(0, first), min(size, (outputs.stop - 1) * self.stride + self.after + 1))


@dataclass(frozen=True)
class Step:
    """Runs one slice of the network on one rectangle.

    Attributes:
        part: the slice.
        around: the known picture's maps on the rectangle that is the slice's input.
        source: the rectangle of the previous step's output that is copied into them.
        target: the rectangle that it is copied to.
        valid: the rectangle of the slice's output that does not depend on the input's border.
    """

    part: nn.Module
    around: Tensor
    source: Rectangle
    target: Rectangle
    valid: Rectangle

    def __call__(self, before: Tensor) -> Tensor:
        maps = self.around.clone()
        maps[..., *self.target] = before[..., *self.source]
        out: Tensor = self.part(maps)[..., *self.valid]
        return out


def plan_steps(
    parts: Sequence[nn.Module],
    known: Sequence[Tensor],
    changed: Rectangle,
    read: Sequence[Rectangle],
) -> tuple[list[Step], list[Rectangle]]:
    """Plan how to run `parts` on pictures that differ from known ones only inside `changed`.

    Args:
        parts: the network's slices, each continuing from the one before.
        known: maps `[n, c, h, w]` of the known pictures: the first slice's input, then the output
            of every slice.
        changed: must not be empty.
        read: for each slice, the rectangle of its output that is used.

    Returns:
        One step per slice, and the rectangles of their results in the slices' full outputs. The
        first step takes pictures cropped to `changed`.
    """
    fields = [ReceptiveField.of(part) for part in parts]
    sizes = [(maps.shape[-2], maps.shape[-1]) for maps in known]
    rectangles = [changed]
    for field, size in zip(fields, sizes[1:], strict=True):
        rows, columns = rectangles[-1]
        rectangles.append(
            (field.affected_outputs(rows, size[0]), field.affected_outputs(columns, size[1]))
        )
    inputs: list[Rectangle] = []
    for k in reversed(range(len(parts))):
        needed = read[k] if not inputs else bounding_rectangle(read[k], inputs[-1])
        rectangles[k + 1] = intersection(rectangles[k + 1], needed)
        rows, columns = rectangles[k + 1]
        height, width = sizes[k]
        inputs.append(
            (fields[k].required_inputs(rows, height), fields[k].required_inputs(columns, width))
        )
    steps = []
    for k, (part, rectangle) in enumerate(zip(parts, reversed(inputs), strict=True)):
        copied = intersection(rectangles[k], rectangle)
        rows, columns = (span.start // fields[k].stride for span in rectangle)
        steps.append(
            Step(
                part,
                known[k][..., *rectangle].contiguous(memory_format=torch.channels_last),
                relative_to(copied, rectangles[k]),
                relative_to(copied, rectangle),
                relative_to(rectangles[k + 1], (slice(rows, None), slice(columns, None))),
            )
        )
    return steps, rectangles[1:]


def bounding_rectangle(a: Rectangle, b: Rectangle) -> Rectangle:
    """The smallest rectangle that contains both."""
    rows, columns = (
        slice(min(x.start, y.start), max(x.stop, y.stop)) for x, y in zip(a, b, strict=True)
    )
    return rows, columns


def intersection(a: Rectangle, b: Rectangle) -> Rectangle:
    """The intersection of two rectangles."""
    rows, columns = (
        slice(max(x.start, y.start), min(x.stop, y.stop)) for x, y in zip(a, b, strict=True)
    )
    return rows, columns


def relative_to(rectangle: Rectangle, other: Rectangle) -> Rectangle:
    """`rectangle` relative to the start of `other`."""
    rows, columns = (
        slice(x.start - y.start, x.stop - y.start) for x, y in zip(rectangle, other, strict=True)
    )
    return rows, columns


def mask_rectangle(mask: Tensor) -> Rectangle:
    """The bounding rectangle of a mask `[h, w]`; the first pixel if the mask is empty."""
    spans = []
    for indices in (mask.any(1).nonzero(), mask.any(0).nonzero()):
        first, last = (int(indices.min()), int(indices.max())) if len(indices) else (0, 0)
        spans.append(slice(first, last + 1))
    return spans[0], spans[1]
