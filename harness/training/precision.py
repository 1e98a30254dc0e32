"""The precision of a GPU's computations: chosen by the user for training, float32 for scores.

A GPU's tensor cores multiply float32 numbers rounded to TF32 (10 bits of mantissa), several times
as fast. Training tolerates this; scores do not, since it distorts their blur and variance. torch's
switches apply to the whole process, so each context sets them and restores them afterwards.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch

from harness.config.settings import Precision

cudnn: Any = torch.backends.cudnn  # torch does not declare every switch
matmul: Any = torch.backends.cuda.matmul


@contextmanager
def training_precision(
    device: torch.device, precision: Precision, same_shapes: bool = True
) -> Iterator[None]:
    """A context for training steps, backward pass included. It has no effect on a CPU.

    Args:
        same_shapes: whether all batches have the same shape, so that timing cuDNN's algorithms
            for each shape pays off.
    """
    if device.type != "cuda":
        yield
        return
    benchmark_before = cudnn.benchmark
    with tf32(precision != "float32"):
        cudnn.benchmark = same_shapes
        try:
            yield
        finally:
            cudnn.benchmark = benchmark_before


def full_float32() -> AbstractContextManager[None]:
    """A context in which float32 convolutions and products are computed in float32."""
    return tf32(False)


@contextmanager
def tf32(allowed: bool) -> Iterator[None]:
    """A context in which TF32 is allowed or forbidden for convolutions and matrix products.

    torch has an old and a new form of each switch, and reading one raises an error if they
    disagree, so both are set.
    """
    conv, rnn = cudnn.conv.fp32_precision, cudnn.rnn.fp32_precision
    matmul_precision = matmul.fp32_precision
    cudnn.allow_tf32 = matmul.allow_tf32 = allowed
    cudnn.conv.fp32_precision = matmul.fp32_precision = "tf32" if allowed else "ieee"
    try:
        yield
    finally:
        cudnn.allow_tf32 = conv == "tf32"
        matmul.allow_tf32 = matmul_precision == "tf32"
        cudnn.conv.fp32_precision, cudnn.rnn.fp32_precision = conv, rnn
        matmul.fp32_precision = matmul_precision


def mixed_precision(device: torch.device, precision: Precision) -> AbstractContextManager[None]:
    """A context in which convolutions run in bfloat16 if `precision` says so; weights stay float32.

    Enter a new one for each forward pass: it caches cast weights, which an update makes stale.
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")
