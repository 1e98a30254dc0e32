"""A convolution as a matrix product equals the library's, forwards and backwards."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.training.fast_convolutions import (
    Conv2d,
    ConvTranspose2d,
    ToOneChannel,
    few_pixels,
    to_channels_last,
)


@pytest.mark.parametrize(("height", "width"), [(2, 2), (3, 4), (4, 3)])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("kind", [Conv2d, ConvTranspose2d])
def test_the_product_is_the_convolution(
    kind: type[Conv2d] | type[ConvTranspose2d], height: int, width: int, bias: bool, last: bool
) -> None:
    torch.manual_seed(0)
    net = kind(40, 48, 4, 2, 1, bias=bias).double()
    if last:
        to_channels_last(net)
    x = torch.randn(2, 40, height, width, dtype=torch.double, requires_grad=True)
    assert few_pixels(x, net.weight)
    library = F.conv2d if kind is Conv2d else F.conv_transpose2d
    assert_equal(net(x), library(x, net.weight, net.bias, 2, 1), (x, *net.parameters()))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("last", [True, False])
def test_one_channel_is_the_convolution(bias: bool, last: bool) -> None:
    torch.manual_seed(0)
    net = ToOneChannel(24, 1, 4, 1, 1, bias=bias).double()
    if last:
        to_channels_last(net)
    x = torch.randn(2, 24, 9, 6, dtype=torch.double, requires_grad=True)
    assert_equal(net(x), F.conv2d(x, net.weight, net.bias, 1, 1), (x, *net.parameters()))


def assert_equal(found: Tensor, wanted: Tensor, given: tuple[Tensor, ...]) -> None:
    """And so are their gradients, for some pull on the result."""
    torch.testing.assert_close(found, wanted)
    pull = torch.randn_like(wanted)
    gradients = (torch.autograd.grad(each, given, pull) for each in (found, wanted))
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)


def test_large_pictures_go_the_library_s_way() -> None:
    x = torch.randn(1, 3, 32, 32)
    ours, theirs = Conv2d(3, 8, 4, 2, 1), nn.Conv2d(3, 8, 4, 2, 1)
    theirs.load_state_dict(ours.state_dict())
    assert not few_pixels(x, ours.weight)
    assert torch.equal(ours(x), theirs(x))
