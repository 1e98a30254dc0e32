"""pix2pix's own model: its options, networks, optimisers and step, but for the generator's loss."""

from typing import Any

import torch

from models import networks
from models.base_model import BaseModel


class Pix2PixModel(BaseModel):
    @staticmethod
    def modify_commandline_options(parser: Any, is_train: bool = True) -> Any:
        if is_train:
            parser.add_argument("--lambda_L1", type=float, default=100.0)
        return parser

    def __init__(self, opt: Any) -> None:
        super().__init__(opt)
        self.loss_names = ["G_GAN", "G_L1", "D_real", "D_fake"]
        self.model_names = ["G", "D"] if self.isTrain else ["G"]
        kind = (opt.ngf, opt.netG, opt.norm, not opt.no_dropout)
        self.netG = networks.define_G(opt.input_nc, opt.output_nc, *kind)
        if self.isTrain:
            self.netD = networks.define_D(opt.ndf, opt.n_layers_D, opt.norm)
            self.criterionGAN = networks.GANLoss(opt.gan_mode)
            self.criterionL1 = torch.nn.L1Loss()
            self.optimizer_G, self.optimizer_D = self.optimizers = [
                torch.optim.Adam(net.parameters(), opt.lr, betas=(opt.beta1, 0.999))
                for net in (self.netG, self.netD)
            ]

    def set_input(self, pair: dict[str, torch.Tensor]) -> None:
        self.real_A, self.real_B = pair["A"], pair["B"]

    def forward(self) -> None:
        self.fake_B = self.netG(self.real_A)

    def optimize_parameters(self) -> None:
        self.forward()
        self.netD.requires_grad_(True)
        self.loss_D_fake, self.loss_D_real = (
            self.criterionGAN(self.netD(torch.cat((self.real_A, shown), 1)), real)
            for shown, real in ((self.fake_B.detach(), False), (self.real_B, True))
        )
        self.optimizer_D.zero_grad()
        ((self.loss_D_fake + self.loss_D_real) * 0.5).backward()
        self.optimizer_D.step()
        self.netD.requires_grad_(False)
        self.optimizer_G.zero_grad()
        self.backward_G()
        self.optimizer_G.step()
