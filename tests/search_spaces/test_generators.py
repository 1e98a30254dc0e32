"""The two kinds of generator in spaces, and what names one of them."""

import pytest

from search_spaces.generators import KINDS, generator_of_kind, kind_of
from search_spaces.recipes import generator_for, read_recipes
from search_spaces.space import load_space, parse_space
from tests.search_spaces.written import TRAIN, space_text

BOTH = {"type": "categorical", "choices": ["repaint", "warp"]}


@pytest.mark.parametrize("netG", ["unet_128", "unet_256", "warp_unet_128", "warp_unet_256"])
def test_each_u_net_has_a_generator_of_either_kind_over_the_same_trunk(netG: str) -> None:
    repaints, moves = (generator_of_kind(netG, kind) for kind in KINDS)
    assert (kind_of(repaints), kind_of(moves)) == KINDS
    assert moves == f"warp_{repaints}"
    assert netG in (repaints, moves)


def test_a_residual_trunk_has_none_that_moves_pixels() -> None:
    assert generator_of_kind("resnet_9blocks", "repaint") == "resnet_9blocks"
    with pytest.raises(ValueError, match="no generator warp for netG resnet_9blocks"):
        generator_of_kind("resnet_9blocks", "warp")


@pytest.mark.parametrize("netG", ["unet_256", "warp_unet_256", "resnet_6blocks"])
def test_a_pinned_generator_leaves_no_kind_to_choose(netG: str) -> None:
    """As spaces had it before there were kinds, so that their studies go on."""
    space = load_space("default", {"netG": netG})
    assert space.kinds == ()
    assert space.text == load_space("default").without("generator").text + f"  netG: {netG}\n"


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_may_be_pinned(kind: str) -> None:
    assert load_space("default", {"generator": kind}).kinds == (kind,)


def test_a_generator_of_the_other_kind_contradicts() -> None:
    with pytest.raises(ValueError, match=r"netG unet_128 is of generator repaint.*leave one"):
        load_space("default", {"generator": "warp", "netG": "unet_128"})


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"generator": "both"}, "generator cannot be 'both'"),
        (
            {"generator": BOTH, "netG": {"type": "categorical", "choices": ["unet_128"]}},
            "netG and generator both choose the generator",
        ),
        (
            {"generator": BOTH | {"when": {"n_layers_D": 3}, "else": "repaint"}},
            "generator: it can depend on no other setting",
        ),
        (
            {
                "generator": BOTH,
                "beta1": {**BOTH, "choices": [0, 0.5], "when": {"generator": "warp"}},
            },
            "when names generator",
        ),
    ],
)
def test_what_a_space_cannot_say_of_the_kinds(changed: dict[str, object], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        parse_space("mine", space_text(**changed))


@pytest.mark.parametrize(
    ("pinned", "netG", "of_guide", "of_warp"),
    [
        ({}, "unet_128", "unet_128", "warp_unet_128"),
        ({"netG": "unet_128"}, "unet_128", "unet_128", None),
        ({"netG": "warp_unet_128"}, "warp_unet_128", "warp_unet_128", "warp_unet_128"),
    ],
)
def test_the_guides_recipes_repaint_unless_nothing_does(
    pinned: dict[str, str], netG: str, of_guide: str, of_warp: str | None
) -> None:
    space, recipes = load_space("default", pinned), read_recipes()
    found = {name: generator_for(recipe, space, netG) for name, recipe in recipes.items()}
    assert found.pop("warp") == of_warp
    assert set(found.values()) == {of_guide}
    assert len(found) == 8


def test_a_recipe_is_enqueued_with_its_kind() -> None:
    space, recipes = load_space("default"), read_recipes()
    guides = space.suggestion(recipes["recommended"].params, TRAIN)
    moving = space.suggestion(recipes["warp"].params, TRAIN | {"netG": "warp_unet_128"})
    assert (guides["generator"], moving["generator"]) == KINDS
    assert moving | {"lr": 1e-4, "generator": "repaint"} == guides
