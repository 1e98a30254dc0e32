"""The two kinds of generator: `repaint` computes every pixel anew, `warp` moves pixels."""

from collections.abc import Mapping
from typing import Literal

GeneratorKind = Literal["repaint", "warp"]

REPAINT: GeneratorKind = "repaint"
WARP: GeneratorKind = "warp"
KINDS = (REPAINT, WARP)

GENERATOR = "generator"
"""The parameter of a space that chooses the kind. It is not a training setting itself, but changes
the profile's netG: `warp` is the generator with the same trunk that moves pixels."""

# Each generator that moves pixels, and pix2pix's generator with the same trunk.
MOVING: Mapping[str, str] = {"warp_unet_128": "unet_128", "warp_unet_256": "unet_256"}


def kind_of(netG: str) -> GeneratorKind:
    """The kind of a generator; all of pix2pix's own are of kind repaint."""
    return WARP if netG in MOVING else REPAINT


def generator_of_kind(netG: str, kind: GeneratorKind) -> str:
    """The generator of this kind with the same trunk as `netG`.

    Raises:
        ValueError: there is none.
    """
    if kind_of(netG) == kind:
        return netG
    if kind == REPAINT:
        return MOVING[netG]
    for moving, trunk in MOVING.items():
        if trunk == netG:
            return moving
    raise ValueError(
        f"There is no generator {WARP} for netG {netG}: use one of "
        f"{', '.join(MOVING.values())}, or generator {REPAINT}."
    )
