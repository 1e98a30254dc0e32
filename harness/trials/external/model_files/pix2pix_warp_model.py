"""`--model pix2pix_warp`: pix2pix with a generator that moves pixels instead of repainting them.

Written into models/ by `harness export --format plugin`; it needs PyTorch 1.5 or newer, this
repository, and torchvision for `--lambda_perceptual`. Its `latest_net_G.pth` has the same format as
those of the pix2pix blur harness for netG warp_unet_128 (here `--netG unet_128`) and warp_unet_256
(`--netG unet_256`): `harness restore` and `--init-from` read it, and test.py reads theirs.
"""

from __future__ import annotations

from typing import Any

import torch
from models import networks
from models.pix2pix_model import Pix2PixModel
from torch import Tensor, nn
from torch.nn import functional as F

# Maximum displacement as a share of `field_size`, and maximum correction of values in [-1, 1].
MAX_DISPLACEMENT = 0.06
MAX_CORRECTION = 0.5

# The index of relu1_1 ... relu5_1 in torchvision's `vgg19().features`, and the weight of each.
VGG19_LAYERS = {1: 1 / 32, 6: 1 / 16, 11: 1 / 8, 20: 1 / 4, 29: 1.0}
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class WarpGenerator(nn.Module):
    """A U-Net that predicts a displacement, by which a picture is sampled, and a small correction.

    `[n, 3, h, w]` in [-1, 1] -> the same.

    Args:
        unet: made by `networks.define_G`, with two more output channels than a picture has.
        field_size: width in pixels of the training pictures; displacements are at most 6 % of it.
    """

    field_size: Tensor

    def __init__(self, unet: nn.Module, field_size: int) -> None:
        super().__init__()
        self.model: Any = unet.model
        self.register_buffer("field_size", torch.tensor(float(field_size)))

    def forward(self, pictures: Tensor) -> Tensor:
        maps = self.model(pictures).float()
        field = maps[:, :2] * (MAX_DISPLACEMENT * self.field_size)
        restored: Tensor = move_pixels(pictures, field) + maps[:, 2:] * MAX_CORRECTION
        return restored.clamp(-1, 1)

    def init_as_identity(self) -> None:
        """Initialise to predict no displacement and no correction: it returns its input."""
        head = self.model.model[3]
        nn.init.zeros_(head.weight)
        nn.init.zeros_(head.bias)


def move_pixels(pictures: Tensor, field: Tensor) -> Tensor:
    """Pictures `[n, c, h, w]` sampled at each pixel's position plus `field` `[n, 2, h, w]`.

    The field is in pixels, x first. Bicubic, with border pixels replicated.
    """
    height, width = pictures.shape[-2:]
    x = torch.arange(width, device=field.device) + field[:, 0]
    y = torch.arange(height, device=field.device)[:, None] + field[:, 1]
    # grid_sample's coordinates are -1 to 1, from outer edge to outer edge.
    grid = torch.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], -1)
    return F.grid_sample(pictures, grid, mode="bicubic", padding_mode="border", align_corners=False)


class PerceptualLoss(nn.Module):
    """The L1 distance between VGG19's features of two pictures, `[n, 3, h, w]` in [-1, 1].

    Johnson et al., "Perceptual Losses for Real-Time Style Transfer" (2016). torchvision downloads
    the ImageNet weights once.
    """

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.trunk = vgg19_features()[: max(VGG19_LAYERS) + 1].eval()
        for weight in self.trunk.parameters():
            weight.requires_grad = False
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1))

    def forward(self, restored: Tensor, original: Tensor) -> Tensor:
        with torch.no_grad():
            goal = self.features(original)
        found = self.features(restored)
        terms = [
            weight * F.l1_loss(found[place], goal[place]) for place, weight in VGG19_LAYERS.items()
        ]
        return torch.stack(terms).sum()

    def features(self, pictures: Tensor) -> dict[int, Tensor]:
        """The compared activations, by their index in the trunk."""
        x = ((pictures + 1) / 2 - self.mean) / self.std
        activations = {}
        for place, module in enumerate(self.trunk):
            x = module(x)
            if place in VGG19_LAYERS:
                activations[place] = x
        return activations


def vgg19_features() -> Any:
    """torchvision's VGG19 with ImageNet's weights, without its classifier."""
    from torchvision.models import vgg19  # type: ignore[import-untyped]

    try:
        try:
            return vgg19(weights="IMAGENET1K_V1").features
        except TypeError:  # torchvision before 0.13
            return vgg19(pretrained=True).features
    except OSError as error:
        raise SystemExit(
            f"The perceptual term needs VGG19's weights, which cannot be downloaded ({error}): put "
            "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth into "
            f"{torch.hub.get_dir()}/checkpoints, or train with --lambda_perceptual 0."
        ) from error


class PerceptualPix2PixModel(Pix2PixModel):
    """This repository's pix2pix with `--lambda_perceptual` times `PerceptualLoss` in G's loss."""

    @staticmethod
    def modify_commandline_options(parser: Any, is_train: bool = True) -> Any:
        parser = Pix2PixModel.modify_commandline_options(parser, is_train)
        if is_train:
            parser.add_argument(
                "--lambda_perceptual",
                type=float,
                default=0.0,
                help="weight of the distance between VGG19's features; 0: not computed",
            )
        return parser

    def __init__(self, opt: Any) -> None:
        super().__init__(opt)
        self.criterionPerceptual = None
        if self.isTrain and opt.lambda_perceptual > 0:
            self.criterionPerceptual = PerceptualLoss().to(self.device)
            self.loss_names.append("G_Perceptual")

    def backward_G(self) -> None:  # noqa: N802  # pix2pix's name
        """Compute the gradients of the generator's loss, whose terms include their weights."""
        logits = self.netD(torch.cat((self.real_A, self.fake_B), 1))
        self.loss_G_GAN = self.criterionGAN(logits, True)
        self.loss_G_L1 = self.criterionL1(self.fake_B, self.real_B) * self.opt.lambda_L1
        self.loss_G = self.loss_G_GAN + self.loss_G_L1
        if self.criterionPerceptual is not None:
            distance = self.criterionPerceptual(self.fake_B, self.real_B)
            self.loss_G_Perceptual = distance * self.opt.lambda_perceptual
            self.loss_G = self.loss_G + self.loss_G_Perceptual
        self.loss_G.backward()


class Pix2PixWarpModel(PerceptualPix2PixModel):
    """pix2pix with `WarpGenerator` instead of the generator that repaints every pixel."""

    def __init__(self, opt: Any) -> None:
        if opt.input_nc != opt.output_nc or opt.netG not in ("unet_128", "unet_256"):
            raise ValueError(
                "--model pix2pix_warp needs --netG unet_128 or unet_256, and an --output_nc that "
                "is its --input_nc: it moves the pixels of the picture that it is given."
            )
        super().__init__(opt)
        initial = (opt.init_type, opt.init_gain)
        dropout = not opt.no_dropout
        unet = networks.define_G(
            opt.input_nc, 2 + opt.output_nc, opt.ngf, opt.netG, opt.norm, dropout, *initial
        )
        self.warp = WarpGenerator(unet, opt.load_size)
        self.netG: Any = self.warp
        # Copies from before August 2025 distribute their networks here, newer ones in `setup`.
        gpu_ids = getattr(self, "gpu_ids", None)
        if gpu_ids:
            self.netG = networks.init_net(self.warp, *initial, gpu_ids)
        if self.isTrain:
            self.optimizer_G = torch.optim.Adam(
                self.netG.parameters(), lr=opt.lr, betas=(opt.beta1, 0.999)
            )
            self.optimizers = [self.optimizer_G, self.optimizer_D]

    def setup(self, opt: Any) -> None:
        """Start as the identity unless a checkpoint is continued.

        It must follow the copy's own setup, in which newer copies initialise the weights.
        """
        super().setup(opt)
        if self.isTrain:
            self.warp.field_size.fill_(opt.load_size)
            if not opt.continue_train:
                self.warp.init_as_identity()
