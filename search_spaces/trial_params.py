"""The settings that a search can vary, with their types and limits."""

from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from search_spaces.generators import GENERATOR, GeneratorKind

GanMode = Literal["vanilla", "lsgan", "wgangp"]
GeneratorName = Literal[
    "unet_128", "unet_256", "resnet_6blocks", "resnet_9blocks", "warp_unet_128", "warp_unet_256"
]
Value = float | int | str | bool

# Upper limits, far above any practical use, against absurd memory demands.
MOST_LAYERS = 12
MOST_FILTERS = 256
MOST_IN_BATCH = 1024


class TrialParams(BaseModel):
    """The five searched parameters of one trial, under pix2pix's own names.

    `lambda_perceptual` 0 means that the perceptual term is not used.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    lambda_L1: float = Field(ge=0, description="weight of the L1 term in the generator's loss")
    lambda_perceptual: float = Field(ge=0, description="weight of the VGG term; 0 = none")
    n_layers_D: int = Field(
        ge=1, le=MOST_LAYERS, description="stride-2 layers of the PatchGAN discriminator"
    )
    gan_mode: GanMode = Field(description="the adversarial loss")
    lr: float = Field(gt=0, description="Adam's initial learning rate, for both networks")


REQUIRED_SETTINGS = tuple(TrialParams.model_fields)
"""The settings that every space must contain."""

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
"""Further training settings that a space may contain, with pix2pix's names and meanings. Those that
a space leaves out have the profile's values."""

FROM_SCRATCH = ("netG", "ngf", "ndf", "norm", "init_type", "init_gain")
"""The extras that change the initial networks: a search with a warm start cannot vary them."""

USE_PERCEPTUAL = "use_perceptual"
"""An auxiliary boolean that a space may contain as a condition for lambda_perceptual. It is true if
and only if lambda_perceptual is above 0."""

SETTINGS: dict[str, Any] = {
    **{name: Annotated[own.annotation, own] for name, own in TrialParams.model_fields.items()},
    **EXTRAS,
    GENERATOR: GeneratorKind,
    USE_PERCEPTUAL: bool,
}
"""All parameters that a space may contain, with the types of their values."""


def type_of(name: str) -> type:
    """The Python type of a setting's values."""
    annotation = SETTINGS[name]
    while annotation not in (float, int, str, bool):
        annotation = get_args(annotation)[0] if get_args(annotation) else type(annotation)
    return annotation  # type: ignore[no-any-return]
