"""Impossible combinations are refused, and only those: the convolutions themselves are asked."""

import pytest

from search_spaces.checks import GENERATOR_MULTIPLE, check_combination, deepest, patch_side
from search_spaces.space import load_space

TRAIN = {
    "netG": "unet_128",
    "preprocess": "scale_width_and_crop",
    "load_size": 128,
    "crop_size": 128,
}


@pytest.mark.parametrize("crop", [16, 30, 64, 100, 128, 255, 256])
@pytest.mark.parametrize("layers", [1, 2, 3, 4, 5, 6])
def test_patch_side_is_what_the_convolutions_leave(crop: int, layers: int) -> None:
    side = crop
    for stride in [2] * layers + [1, 1]:
        side = (side + 2 - 4) // stride + 1 if side + 2 >= 4 else 0
    assert max(0, patch_side(crop, layers)) == side


@pytest.mark.parametrize("crop", [128, 192, 256, 300, 512])
def test_deepest_is_the_last_that_passes(crop: int) -> None:
    """In 192 pixels the deepest has an output of one logit."""
    train = TRAIN | {"netG": "resnet_9blocks", "crop_size": crop, "load_size": crop}
    check_combination(deepest(crop), train)
    with pytest.raises(ValueError, match=rf"n_layers_D {deepest(crop) + 1} .* crop_size {crop}"):
        check_combination(deepest(crop) + 1, train)


def test_the_size_that_the_message_advises_is_enough() -> None:
    with pytest.raises(ValueError, match="crop_size of at least 192"):
        check_combination(6, TRAIN)
    assert patch_side(192, 6) == 1
    assert patch_side(191, 6) == 0


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"netG": "unet_256"}, r"netG unet_256 .* crop_size .* multiple of 256, not 128"),
        ({"crop_size": 200, "load_size": 200}, r"netG unet_128 .* multiple of 128, not 200"),
        ({"crop_size": 256}, r"load_size 128 is smaller than crop_size 256"),
        ({"crop_size": 256, "preprocess": "resize_and_crop"}, r"load_size 128 is smaller than"),
        ({"preprocess": "none", "batch_size": 2}, r"preprocess none .* batch_size 2"),
    ],
)
def test_trap_sides_that_the_u_net_cannot_halve_and_other_impossible_pairs(
    changed: dict[str, object], named: str
) -> None:
    with pytest.raises(ValueError, match=named):
        check_combination(3, TRAIN | changed)


def test_a_u_net_s_sides_are_multiples_of_all_its_halvings() -> None:
    both = {"unet_128": 2**7, "unet_256": 2**8}
    moving = {f"warp_{netG}": multiple for netG, multiple in both.items()}
    assert {netG: GENERATOR_MULTIPLE[netG] for netG in both | moving} == both | moving


@pytest.mark.parametrize("preprocess", ["crop", "none"])
def test_pictures_that_are_not_scaled_have_no_load_size(preprocess: str) -> None:
    check_combination(3, TRAIN | {"crop_size": 256, "preprocess": preprocess})


@pytest.mark.parametrize("name", ["default", "narrow", "wide"])
def test_built_in_spaces_fit_the_smallest_profile(name: str) -> None:
    load_space(name).check_against(TRAIN)


def test_trap_a_discriminator_too_deep_for_the_crop_is_refused_in_any_trial() -> None:
    with pytest.raises(ValueError, match="n_layers_D 6 is too deep for crop_size 128"):
        load_space("default", {"n_layers_D": "6"}).check_against(TRAIN)


@pytest.mark.parametrize("netD", ["basic", "pixel"])
def test_trap_net_d_basic_always_has_three_layers(netD: str) -> None:
    """The guide's trap: `--netD basic --n_layers_D 4` has three layers all the same."""
    check_combination(3, TRAIN | {"netD": netD})
    with pytest.raises(ValueError, match=rf"netD {netD} does not read n_layers_D 4"):
        check_combination(4, TRAIN | {"netD": netD})


def test_residual_generators_need_sides_that_divide_by_four() -> None:
    check_combination(3, TRAIN | {"netG": "resnet_9blocks", "crop_size": 100, "load_size": 100})
    with pytest.raises(ValueError, match="multiple of 4, not 102"):
        check_combination(3, TRAIN | {"netG": "resnet_9blocks", "crop_size": 102, "load_size": 102})
