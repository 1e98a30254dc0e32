"""The values that a search varies."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

GanMode = Literal["vanilla", "lsgan", "wgangp"]


class TrialParams(BaseModel):
    """The five searched settings of one trial, in pix2pix's own words.

    `lambda_perceptual` 0 means that the perceptual term is not used at all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    lambda_L1: float = Field(ge=0, description="weight of the L1 term in the generator's loss")
    lambda_perceptual: float = Field(ge=0, description="weight of the VGG term; 0 = none")
    n_layers_D: int = Field(ge=1, description="stride-2 layers of the PatchGAN discriminator")
    gan_mode: GanMode = Field(description="the adversarial loss")
    lr: float = Field(gt=0, description="Adam's initial learning rate, for both networks")
