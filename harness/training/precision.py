"""In which precision a GPU computes: as asked for in training, always float32 for a score.

A GPU's tensor cores multiply float32 numbers rounded to TF32 (10 bits of mantissa), several times
as fast. Training bears that. A score does not: products rounded so break its blur and variance.
torch's switches are those of the process, so they are set around the work and restored after it.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch

from harness.config.settings import Precision

cudnn: Any = torch.backends.cudnn  # torch does not declare every switch
products: Any = torch.backends.cuda.matmul


@contextmanager
def training_precision(
    device: torch.device, precision: Precision, same_shapes: bool = True
) -> Iterator[None]:
    """Compute a training step inside, backward pass included. Without effect on a CPU.

    Args:
        same_shapes: the steps' pictures have one size, so that it pays to try which of cuDNN's
            algorithms is the fastest for each shape.
    """
    if device.type != "cuda":
        yield
        return
    before = cudnn.benchmark
    with tf32(precision != "float32"):
        cudnn.benchmark = same_shapes
        try:
            yield
        finally:
            cudnn.benchmark = before


def full_float32() -> AbstractContextManager[None]:
    """Compute convolutions and products of float32 in float32 inside."""
    return tf32(False)


@contextmanager
def tf32(allowed: bool) -> Iterator[None]:
    """Allow or forbid TF32 for convolutions and products inside.

    torch has each switch twice, and raises where a reader of the one finds that they differ: both
    are set.
    """
    conv, rnn = cudnn.conv.fp32_precision, cudnn.rnn.fp32_precision
    multiplied = products.fp32_precision
    cudnn.allow_tf32 = products.allow_tf32 = allowed
    cudnn.conv.fp32_precision = products.fp32_precision = "tf32" if allowed else "ieee"
    try:
        yield
    finally:
        cudnn.allow_tf32 = conv == "tf32"
        products.allow_tf32 = multiplied == "tf32"
        cudnn.conv.fp32_precision, cudnn.rnn.fp32_precision = conv, rnn
        products.fp32_precision = multiplied


def mixed(device: torch.device, precision: Precision) -> AbstractContextManager[None]:
    """A context in which convolutions run in bfloat16 if asked for; weights stay float32.

    Enter it anew for each network: it caches cast weights, which an update makes stale.
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")
