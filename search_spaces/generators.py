"""The two kinds of generator: one repaints every pixel, one moves the pixels there are."""

from collections.abc import Mapping
from typing import Literal

GeneratorKind = Literal["repaint", "warp"]

REPAINT: GeneratorKind = "repaint"
WARP: GeneratorKind = "warp"
KINDS = (REPAINT, WARP)

GENERATOR = "generator"
"""No setting of its own: what a space calls the choice between the kinds, whatever the profile's
netG. It decides netG: `warp` is the moving generator over the same trunk."""

# Each generator that moves pixels, and the one of pix2pix that has its trunk.
MOVING: Mapping[str, str] = {"warp_unet_128": "unet_128", "warp_unet_256": "unet_256"}


def kind_of(netG: str) -> GeneratorKind:
    """Whether a generator repaints pictures, as all of pix2pix's do, or moves their pixels."""
    return WARP if netG in MOVING else REPAINT


def of_kind(netG: str, kind: GeneratorKind) -> str:
    """The generator of that kind over the trunk of `netG`.

    Raises:
        ValueError: there is none; one sentence.
    """
    if kind_of(netG) == kind:
        return netG
    if kind == REPAINT:
        return MOVING[netG]
    for moving, trunk in MOVING.items():
        if trunk == netG:
            return moving
    raise ValueError(
        f"There is no generator {WARP} over netG {netG}: use one of "
        f"{', '.join(MOVING.values())}, or generator {REPAINT}."
    )
