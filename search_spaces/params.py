"""The values that a search varies."""

from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from search_spaces.generators import GENERATOR, GeneratorKind

GanMode = Literal["vanilla", "lsgan", "wgangp"]
GeneratorName = Literal[
    "unet_128", "unet_256", "resnet_6blocks", "resnet_9blocks", "warp_unet_128", "warp_unet_256"
]
Value = float | int | str | bool

# What a network may ask of memory: far beyond any use, and within what a machine can refuse.
MOST_LAYERS = 12
MOST_FILTERS = 256
MOST_IN_BATCH = 1024


class TrialParams(BaseModel):
    """The five searched settings of one trial, in pix2pix's own words.

    `lambda_perceptual` 0 means that the perceptual term is not used at all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    lambda_L1: float = Field(ge=0, description="weight of the L1 term in the generator's loss")
    lambda_perceptual: float = Field(ge=0, description="weight of the VGG term; 0 = none")
    n_layers_D: int = Field(
        ge=1, le=MOST_LAYERS, description="stride-2 layers of the PatchGAN discriminator"
    )
    gan_mode: GanMode = Field(description="the adversarial loss")
    lr: float = Field(gt=0, description="Adam's initial learning rate, for both networks")


FIVE = tuple(TrialParams.model_fields)
"""The settings that every space says something about."""

EXTRAS: dict[str, Any] = {
    "beta1": Annotated[float, Field(ge=0, lt=1)],
    "batch_size": Annotated[int, Field(ge=1, le=MOST_IN_BATCH)],
    "flip": bool,
    "dropout": bool,
    "netG": GeneratorName,
    "ngf": Annotated[int, Field(gt=0, le=MOST_FILTERS)],
    "ndf": Annotated[int, Field(gt=0, le=MOST_FILTERS)],
    "norm": Literal["batch", "instance", "none"],
    "init_type": Literal["normal", "xavier", "kaiming", "orthogonal"],
    "init_gain": Annotated[float, Field(gt=0)],
}
"""Training settings that a space may hold beside the five; one that it leaves out is the
profile's. pix2pix's own names and meanings."""

FROM_SCRATCH = ("netG", "ngf", "ndf", "norm", "init_type", "init_gain")
"""Those that change what a training begins with: trials of one warm start cannot differ in them."""

USED = "use_perceptual"
"""No setting of its own: a yes/no that a space may choose first, for lambda_perceptual to depend
on. It is true where lambda_perceptual is above 0."""

SETTINGS: dict[str, Any] = {
    **{name: Annotated[own.annotation, own] for name, own in TrialParams.model_fields.items()},
    **EXTRAS,
    GENERATOR: GeneratorKind,
    USED: bool,
}
"""Everything that a space may hold, and the values that each can take."""


def type_of(name: str) -> type:
    """The Python type of a setting's values."""
    kind = SETTINGS[name]
    while kind not in (float, int, str, bool):
        kind = get_args(kind)[0] if get_args(kind) else type(kind)
    return kind  # type: ignore[no-any-return]
