"""pix2pix's networks, with the names and shapes of pytorch-CycleGAN-and-pix2pix's checkpoints.

Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks" (2017): a U-Net
generator, PatchGAN and PixelGAN discriminators; Johnson et al., "Perceptual Losses for Real-Time
Style Transfer" (2016): the residual generator. Module names follow that repository's `state_dict`
keys, so `latest_net_G.pth` and `latest_net_D.pth` can be exchanged with it in both directions.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from harness.config.settings import InitType, TrainSettings
from harness.training.fast_convolutions import Conv2d, ConvTranspose2d, ToOneChannel
from harness.training.normalization import BatchNorm, Norm, norm_layer
from harness.training.warping import move

UNET_DOWNS = {"unet_128": 7, "unet_256": 8}
WARP_UNET_DOWNS = {f"warp_{netG}": downs for netG, downs in UNET_DOWNS.items()}
RESNET_BLOCKS = {"resnet_6blocks": 6, "resnet_9blocks": 9}


class UnetBlock(nn.Module):
    """One level of the U-Net: down, the levels `below` it, up, with a skip connection."""

    def __init__(
        self,
        outer: int,
        inner: int,
        below: nn.Module | None,
        norm: Norm,
        bias: bool,
        dropout: bool = False,
    ) -> None:
        super().__init__()
        down = [nn.LeakyReLU(0.2, True), Conv2d(outer, inner, 4, 2, 1, bias=bias)]
        up_from = inner if below is None else inner * 2
        up = [
            nn.ReLU(True),
            ConvTranspose2d(up_from, outer, 4, 2, 1, bias=bias),
            norm(outer),
        ]
        middle = [] if below is None else [norm(inner), below]
        self.model = nn.Sequential(*down, *middle, *up, *([nn.Dropout(0.5)] if dropout else []))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.model(x)], 1)


class UnetOutermost(nn.Module):
    """The U-Net's outermost level, from a picture to `channels` maps in [-1, 1]."""

    def __init__(self, channels: int, inner: int, below: nn.Module, bias: bool) -> None:
        super().__init__()
        self.model = nn.Sequential(
            nn.Conv2d(3, inner, 4, 2, 1, bias=bias),
            below,
            nn.ReLU(True),
            nn.ConvTranspose2d(inner * 2, channels, 4, 2, 1),
            nn.Tanh(),
        )

    def forward(self, x: Tensor) -> Tensor:
        maps: Tensor = self.model(x)
        return maps


def unet(downs: int, ngf: int, norm: str, dropout: bool, channels: int) -> UnetOutermost:
    """pix2pix's U-Net: `[n, 3, h, w]` -> `[n, channels, h, w]` in [-1, 1]."""
    layer, bias = norm_layer(norm)
    block: nn.Module = UnetBlock(ngf * 8, ngf * 8, None, layer, bias)
    for _ in range(downs - 5):
        block = UnetBlock(ngf * 8, ngf * 8, block, layer, bias, dropout)
    for outer in (ngf * 4, ngf * 2, ngf):
        block = UnetBlock(outer, outer * 2, block, layer, bias)
    return UnetOutermost(channels, ngf, block, bias)


class UnetGenerator(nn.Module):
    """`unet_128`, `unet_256`: `[n, 3, h, w]` in [-1, 1] -> the same.

    Sides must be multiples of 2^downs.
    """

    def __init__(self, downs: int, ngf: int, norm: str, dropout: bool) -> None:
        super().__init__()
        self.model = unet(downs, ngf, norm, dropout, channels=3)

    def forward(self, x: Tensor) -> Tensor:
        picture: Tensor = self.model(x)
        return picture


# Maximum displacement as a share of `field_size`, and maximum correction of values in [-1, 1].
MAX_DISPLACEMENT = 0.06
MAX_CORRECTION = 0.5


class WarpUnet(nn.Module):
    """`warp_unet_128`, `warp_unet_256`: a U-Net that moves pixels instead of painting them.

    `[n, 3, h, w]` in [-1, 1] -> the same; sides must be multiples of 2^downs. The U-Net predicts a
    displacement field, by which the picture is sampled, and a small additive correction that undoes
    smoothing by the retouching tool. Initialised by `build_generator`, it returns its input.

    Args:
        field_size: width in pixels of the training pictures: displacements are at most 6 % of it,
            and larger pictures are restored with the field predicted at this size.
    """

    field_size: Tensor

    def __init__(
        self, downs: int, ngf: int, norm: str, dropout: bool, field_size: int = 256
    ) -> None:
        super().__init__()
        self.model = unet(downs, ngf, norm, dropout, channels=5)
        self.register_buffer("field_size", torch.tensor(float(field_size)))

    def forward(self, x: Tensor) -> Tensor:
        field, correction = self.predict(x)
        return (move(x, field) + correction).clamp(-1, 1)

    def predict(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The displacement `[n, 2, h, w]` in pixels (x first) that restores `x`, and the correction
        `[n, 3, h, w]`, of at most 0.5."""
        maps = self.model(x).float()
        return maps[:, :2] * (MAX_DISPLACEMENT * self.field_size), maps[:, 2:] * MAX_CORRECTION

    def init_as_identity(self) -> None:
        """Initialise to predict no displacement and no correction."""
        head = self.model.model[3]
        assert isinstance(head, nn.ConvTranspose2d)
        nn.init.zeros_(head.weight)
        assert head.bias is not None
        nn.init.zeros_(head.bias)


class ResnetBlock(nn.Module):
    """Two convolutions with a residual connection."""

    def __init__(self, channels: int, norm: Norm, bias: bool, dropout: bool) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3, bias=bias),
            norm(channels),
            nn.ReLU(True),
            *([nn.Dropout(0.5)] if dropout else []),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3, bias=bias),
            norm(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        added: Tensor = x + self.conv_block(x)
        return added


class ResnetGenerator(nn.Module):
    """`resnet_6blocks`, `resnet_9blocks`: `[n, 3, h, w]` in [-1, 1] -> the same.

    Two halvings, `blocks` residual blocks, two doublings: sides must be multiples of 4.
    """

    def __init__(self, blocks: int, ngf: int, norm: str, dropout: bool) -> None:
        super().__init__()
        layer, bias = norm_layer(norm)
        first = nn.Conv2d(3, ngf, 7, bias=bias)
        layers: list[nn.Module] = [nn.ReflectionPad2d(3), first, layer(ngf), nn.ReLU(True)]
        for width in (ngf, ngf * 2):
            down = nn.Conv2d(width, width * 2, 3, 2, 1, bias=bias)
            layers += [down, layer(width * 2), nn.ReLU(True)]
        layers += [ResnetBlock(ngf * 4, layer, bias, dropout) for _ in range(blocks)]
        for width in (ngf * 4, ngf * 2):
            up = nn.ConvTranspose2d(width, width // 2, 3, 2, 1, 1, bias=bias)
            layers += [up, layer(width // 2), nn.ReLU(True)]
        last = nn.Conv2d(ngf, 3, 7)
        self.model = nn.Sequential(*layers, nn.ReflectionPad2d(3), last, nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        picture: Tensor = self.model(x)
        return picture


class PatchDiscriminator(nn.Module):
    """`--netD n_layers`: `[n, 6, h, w]`, retouched and candidate -> logits `[n, 1, ., .]`.

    `n_layers` convolutions of stride 2, one of stride 1, and a last one of stride 1 to the logits.
    """

    def __init__(self, n_layers: int, ndf: int, norm: str) -> None:
        super().__init__()
        layer, bias = norm_layer(norm)
        widths = [ndf * min(2**n, 8) for n in range(n_layers + 1)]
        layers: list[nn.Module] = [nn.Conv2d(6, ndf, 4, 2, 1), nn.LeakyReLU(0.2, True)]
        for n in range(1, n_layers + 1):
            stride = 2 if n < n_layers else 1
            layers += [
                nn.Conv2d(widths[n - 1], widths[n], 4, stride, 1, bias=bias),
                layer(widths[n]),
                nn.LeakyReLU(0.2, True),
            ]
        self.model = nn.Sequential(*layers, ToOneChannel(widths[-1], 1, 4, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.model(x)
        return logits


class PixelDiscriminator(nn.Module):
    """`--netD pixel`: `[n, 6, h, w]` -> logits `[n, 1, h, w]`, each computed from one pixel."""

    def __init__(self, ndf: int, norm: str) -> None:
        super().__init__()
        layer, bias = norm_layer(norm)
        self.net = nn.Sequential(
            nn.Conv2d(6, ndf, 1),
            nn.LeakyReLU(0.2, True),
            nn.Conv2d(ndf, ndf * 2, 1, bias=bias),
            layer(ndf * 2),
            nn.LeakyReLU(0.2, True),
            nn.Conv2d(ndf * 2, 1, 1, bias=bias),
        )

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.net(x)
        return logits


def init_weights(net: nn.Module, seed: int, kind: InitType = "normal", gain: float = 0.02) -> None:
    """pix2pix's `--init_type` and `--init_gain`: random convolution weights, zero biases.

    Scales of batch normalisation are N(1, gain) whatever the kind. `kaiming` ignores the gain.
    """
    random = torch.Generator().manual_seed(seed)
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            match kind:
                case "normal":
                    nn.init.normal_(module.weight, 0.0, gain, generator=random)
                case "xavier":
                    nn.init.xavier_normal_(module.weight, gain, generator=random)
                case "kaiming":
                    nn.init.kaiming_normal_(module.weight, generator=random)
                case "orthogonal":
                    nn.init.orthogonal_(module.weight, gain, generator=random)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, gain, generator=random)
            nn.init.zeros_(module.bias)


# A picture coded as luma per pixel and chroma per 2 x 2 pixels: 6 signals, each with both signs,
# since a ReLU passes only positive values.
LUMA = (0.299, 0.587, 0.114)
COPY_CHANNELS = 12
# Gain that compensates most of the compression by the final tanh.
BEFORE_TANH = 1.2


def init_as_copy(net: nn.Module) -> None:
    """Initialise a U-Net to copy the picture through its outermost level, without the levels below.

    A freshly initialised U-Net spends thousands of steps learning to copy before its settings make
    a difference; this one starts as a copy with chroma at half resolution.

    Raises:
        ValueError: the generator is too narrow (ngf < 12).
    """
    down, up = net.get_submodule("model.model.0"), net.get_submodule("model.model.3")
    assert isinstance(down, nn.Conv2d)
    assert isinstance(up, nn.ConvTranspose2d)
    ngf = down.weight.shape[0]
    if ngf < COPY_CHANNELS:
        raise ValueError(
            f"ngf {ngf} is too narrow to pass a picture on: {COPY_CHANNELS} are needed"
        )
    red, green, blue = LUMA
    signals = []  # weights from (r, g, b), weights back to them, and the taps
    for row in (1, 2):
        for column in (1, 2):
            signals.append(
                (LUMA, (1.0, 1.0, 1.0), (slice(row, row + 1), slice(column, column + 1)))
            )
    for encoding, decoding in (
        ((1 - red, -green, -blue), (1.0, -red / green, 0.0)),
        ((-red, -green, 1 - blue), (0.0, -blue / green, 1.0)),
    ):
        signals.append((encoding, decoding, (slice(1, 3), slice(1, 3))))
    with torch.no_grad():
        up.weight[ngf:] = 0
        for number, (encoding, decoding, (rows, columns)) in enumerate(signals):
            for channel, sign in ((2 * number, 1.0), (2 * number + 1, -1.0)):
                down.weight[channel] = 0
                up.weight[channel] = 0
                taps = down.weight[channel][:, rows, columns]
                taps += sign * torch.tensor(encoding).view(3, 1, 1) / taps[0].numel()
                up.weight[channel][:, rows, columns] += (
                    sign * BEFORE_TANH * torch.tensor(decoding).view(3, 1, 1)
                )
        up.weight[COPY_CHANNELS:ngf] = 0


def build_generator(settings: TrainSettings, seed: int) -> nn.Module:
    """A freshly initialised generator; the same seed gives the same weights."""
    net = bare_generator(settings.netG, settings.ngf, settings.norm, settings.dropout)
    init_weights(net, seed, settings.init_type, settings.init_gain)
    if isinstance(net, WarpUnet):
        net.field_size.fill_(settings.load_size)
        net.init_as_identity()
    return net


def bare_generator(netG: str, ngf: int, norm: str, dropout: bool) -> nn.Module:
    """An uninitialised generator of this architecture."""
    if netG in RESNET_BLOCKS:
        return ResnetGenerator(RESNET_BLOCKS[netG], ngf, norm, dropout)
    if netG in WARP_UNET_DOWNS:
        return WarpUnet(WARP_UNET_DOWNS[netG], ngf, norm, dropout)
    return UnetGenerator(UNET_DOWNS[netG], ngf, norm, dropout)


def build_discriminator(settings: TrainSettings, n_layers: int, seed: int) -> nn.Module:
    """A freshly initialised discriminator with `n_layers` layers.

    A pixel discriminator ignores `n_layers`; `search_spaces.checks` rejects settings in which
    `n_layers_D` would have no effect.
    """
    net = bare_discriminator(settings, n_layers)
    init_weights(net, seed, settings.init_type, settings.init_gain)
    return net


def bare_discriminator(settings: TrainSettings, n_layers: int) -> nn.Module:
    """An uninitialised discriminator of this architecture."""
    if settings.netD == "pixel":
        return PixelDiscriminator(settings.ndf, settings.norm)
    return PatchDiscriminator(n_layers, settings.ndf, settings.norm)


@contextmanager
def restoring(net: nn.Module) -> Iterator[nn.Module]:
    """A context in which a generator restores pictures; its former mode returns afterwards.

    Each picture is normalised by its own statistics, as in pix2pix's test.py at batch size 1.
    Dropout is off, so that the output is deterministic, and no gradients are computed.
    """
    norms = [module for module in net.modules() if isinstance(module, BatchNorm)]
    drops = [module for module in net.modules() if isinstance(module, nn.Dropout)]
    was_dropping = [drop.training for drop in drops]
    for norm in norms:
        norm.per_picture = True
    for drop in drops:
        drop.eval()
    try:
        with torch.inference_mode():
            yield net
    finally:
        for norm in norms:
            norm.per_picture = False
        for drop, training in zip(drops, was_dropping, strict=True):
            drop.train(training)
