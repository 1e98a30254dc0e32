"""Exported commands: where they run, what they need, and what their training differs in."""

import pytest

from reports.commands.lengths import length_of_export
from reports.export.best_yaml import as_script, best_config
from tests.reports.export.known_copies import SHARED, known
from tests.synthetic_studies import BEST, TRAIN, add_trial, empty_study, make_study


def test_a_trial_of_full_size_with_a_narrower_network_was_smaller_too() -> None:
    for ngf in (64, 16):
        study = make_study(9, train=TRAIN | {"crop_size": 1024, "ngf": ngf})
        told = length_of_export(study, best_config(study, 0), repeat_trial=False, copy=False)
        assert ("The trials were smaller (1024 px, ngf 16)" in told) == (ngf == 16)


def test_the_profiles_settings_of_a_recipe_are_not_those_of_its_full_training() -> None:
    study = empty_study()
    for recipe in ("recommended", None):
        add_trial(study, BEST, recipe=recipe, extras={"ngf": 32})
    for number, ngf in ((0, 64), (1, 32)):
        config = best_config(study, number)
        assert "--ngf 32 " in config["command"]
        assert f"--ngf {ngf} " in config["full_command"]


@pytest.mark.parametrize(("device", "without_gpu"), [("cpu", True), ("cuda:0", False)])
def test_commands_for_any_copy_say_what_older_ones_need(device: str, without_gpu: bool) -> None:
    study = make_study(12, device=device)
    assert ("--gpu_ids -1" in " ".join(best_config(study, 0)["needs"])) == without_gpu
    for key in ("command", "full_command"):
        for number, perceptual in ((0, False), (1, True)):
            first = best_config(study, number)[key].splitlines()[0]
            assert first.startswith("test -f models/pix2pix_with_perceptual_model.py") == perceptual


def test_scripts_say_where_they_run_unless_they_go_there() -> None:
    moving = make_study(9, train=TRAIN | {"netG": "warp_unet_128"})
    copy = {**SHARED, "options": known(best_config(make_study(9), 0))}
    for config, anywhere in (
        (best_config(make_study(9), 0), False),
        (
            best_config(
                make_study(9, warm_start_folder=None),
                0,
                copy | {"options": {*copy["options"], "lr_decay_iters"}},
            ),
            True,
        ),
        (best_config(moving, 0), True),
    ):
        assert ("# Run it in a checkout" in as_script(config)) is not anywhere
    assert "put your own folder" in " ".join(best_config(moving, 0)["needs"])
