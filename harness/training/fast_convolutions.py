"""pix2pix's 4 x 4 convolutions as a matrix product, for shapes for which the libraries are slow.

These are inputs of a few pixels, and outputs of one channel. A level deep in a U-Net has a hundred
times more weights than pixels, and the libraries' convolutions spend their time reordering the
weights at every step, while a matrix product reads them once, in place. For a single output
channel, the libraries are not optimised. The sums are the same, up to their order.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# Ratio of weights to input values above which the product is faster, measured at ngf 12 and 64 with
# one and two threads.
WEIGHTS_TO_INPUT = 20


def few_pixels(x: Tensor, weight: Tensor) -> bool:
    """Whether `x` is so small compared with `weight` that a matrix product is faster."""
    return weight.numel() >= WEIGHTS_TO_INPUT * x.numel()


class Conv2d(nn.Conv2d):
    """`nn.Conv2d(..., 4, stride, 1)`: `[n, i, h, w]` -> `[n, o, h', w']`."""

    def forward(self, input: Tensor) -> Tensor:
        if not few_pixels(input, self.weight):
            return super().forward(input)
        n, channels = input.shape[:2]
        size, stride = self.kernel_size[0], self.stride[0]
        padding = self.padding[0]
        assert isinstance(padding, int)
        padded = F.pad(input.permute(0, 2, 3, 1), (0, 0, *[padding] * 4))
        patches = padded.unfold(1, size, stride).unfold(2, size, stride)
        height, width = patches.shape[1:3]
        rows = patches.permute(0, 1, 2, 4, 5, 3).reshape(n * height * width, -1)
        columns = self.weight.permute(0, 2, 3, 1).reshape(-1, size * size * channels)
        product = F.linear(rows, columns, self.bias)
        return product.view(n, height, width, -1).permute(0, 3, 1, 2)


class ConvTranspose2d(nn.ConvTranspose2d):
    """`nn.ConvTranspose2d(..., 4, 2, 1)`: `[n, i, h, w]` -> `[n, o, 2h, 2w]`."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        if not few_pixels(input, self.weight):
            return super().forward(input, output_size)
        n, channels, height, width = input.shape
        size, stride, padding = self.kernel_size[0], self.stride[0], self.padding[0]
        assert isinstance(padding, int)
        pixels = input.permute(0, 2, 3, 1).reshape(n * height * width, channels)
        product = pixels @ self.weight.permute(0, 2, 3, 1).reshape(channels, -1)
        patches = product.view(n, height * width, size * size, -1).permute(0, 3, 2, 1)
        rows, columns = ((side - 1) * stride - 2 * padding + size for side in (height, width))
        output = F.fold(
            patches.reshape(n, -1, height * width),
            (rows, columns),
            size,
            padding=padding,
            stride=stride,
        )
        return output if self.bias is None else output + self.bias.view(1, -1, 1, 1)


class ToOneChannel(nn.Conv2d):
    """`nn.Conv2d(..., 1, 4, 1, 1)`: `[n, i, h, w]` -> `[n, 1, h - 1, w - 1]`.

    Multiplies each pixel with each of the sixteen taps, then sums the products of each output.
    """

    def forward(self, input: Tensor) -> Tensor:
        n, channels, height, width = input.shape
        size = self.kernel_size[0]
        taps = self.weight.flip(2, 3).permute(2, 3, 0, 1).reshape(size * size, channels)
        pixels = input.permute(0, 2, 3, 1).reshape(n, height * width, channels)
        products = taps @ pixels.transpose(1, 2)
        logits = F.fold(products, (height - 1, width - 1), size, padding=size - 2)
        return logits if self.bias is None else logits + self.bias.view(1, -1, 1, 1)


def to_channels_last(net: nn.Module) -> nn.Module:
    """Convert a network's weights to channels-last, the fastest memory format here."""
    return net.to(memory_format=torch.channels_last)
