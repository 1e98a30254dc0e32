"""The commands in best.yaml: of which training, for which copy, with what to know of them."""

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from optuna.distributions import CategoricalDistribution
from optuna.trial import create_trial

from reports.commands.lengths import length_of_export
from reports.export.best_yaml import as_command, as_script, best_config
from tests.reports.export.known_copies import SHARED, known
from tests.synthetic_studies import (
    BEST,
    SPACE,
    TRAIN,
    add_trial,
    empty_study,
    make_study,
    study_attrs,
    study_of_both_kinds,
)


def test_one_command_repeats_the_trial_the_other_trains_in_full() -> None:
    config = best_config(make_study(12))
    short, full = (
        shlex.split(config[key].replace("\\\n", " ")) for key in ("command", "full_command")
    )
    for option, trial, guide in (("--crop_size", "128", "1024"), ("--n_epochs", "8", "1000")):
        assert short[short.index(option) + 1] == trial
        assert full[full.index(option) + 1] == guide
    for option in ("--n_layers_D", "--gan_mode"):
        assert short[short.index(option) + 1] == full[full.index(option) + 1]
    assert short[short.index("--name") + 1] != full[full.index("--name") + 1]


@pytest.mark.parametrize(("netG", "epochs"), [("unet_128", 6), ("warp_unet_128", 8)])
def test_epochs_are_counted_by_the_pairs_that_the_command_reads(netG: str, epochs: int) -> None:
    """train.py reads all of train/, also what the search drew from it to score on."""
    data = study_attrs()["data"] | {"n_train": 48, "n_folder": 66, "n_drawn": 16}
    study = empty_study(data=data)
    add_trial(study, BEST, extras={"netG": netG})
    config = best_config(study)
    assert re.search(rf"epochs {epochs}\b", config["command"])
    here = netG.startswith("warp")
    told = length_of_export(study, config, repeat_trial=True, copy=False)
    shorter = "about 396 steps at 128 px in whole epochs, where it had 400. W"  # than 7 x 66
    assert ("about 400 steps at 128 px. W" if here else shorter) in told
    assert ("reads all 66 pairs" in " ".join(config["notes"])) is not here
    assert ("epochs of 66 steps each, as" in " ".join(config["notes"])) is not here
    study.set_user_attr("trainer", "external")  # which trained whole epochs: 9 x 48 steps
    assert here or "epochs 7 " in best_config(study)["command"].replace("\\\n", "")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, "built-in pictures"),
        ({}, "shared warm start (2000 steps"),
        ({"warm_start": "init-from"}, "continued from your own model"),
        ({"weights": "random"}, "random networks"),
        ({}, "(full_command) scales every picture to a width of 1024 px. If yours are smaller"),
        ({"pinned": {"load_size": 512, "crop_size": 512}}, "to a width of 512 px"),
        ({}, "running average"),
    ],
)
def test_what_the_commands_cannot_say_is_said(changed: dict[str, Any], said: str) -> None:
    config = best_config(make_study(12, **changed), 1)
    assert said in " ".join([*config["needs"], *config["notes"]])


def test_notes_say_nothing_that_does_not_hold() -> None:
    data = study_attrs()["data"] | {"folder": "/pairs"}
    study = make_study(12, warm_start="none", data=data, pinned={"preprocess": "none"})
    config = best_config(study, 0)
    said = " ".join([*config["needs"], *config["notes"]])
    absents = ("built-in", "warm start", "your own model", "perceptual", "random", "lie other")
    for absent in (*absents, "smaller"):
        assert absent not in said


def test_pairs_that_train_py_cannot_read_are_said_to_be_so(tmp_path: Path) -> None:
    """It wants both halves in one picture, under train/."""

    def needs() -> str:
        data = study_attrs()["data"] | {"folder": str(tmp_path)}
        return " ".join(best_config(make_study(12, data=data), 0)["needs"])

    (tmp_path / "trainA").mkdir()
    assert f"harness data check {tmp_path} --fix NEW" in needs()
    (tmp_path / "train").mkdir()
    assert "--fix" not in needs()


@pytest.mark.parametrize(
    ("device", "others", "said"),
    [
        ("cpu", ("gpu_ids", "display_id"), ["--gpu_ids -1", "--display_id -1"]),
        ("cpu on ray", ("gpu_ids", "display_id"), ["--gpu_ids -1", "--display_id -1"]),
        ("cuda:0", ("gpu_ids", "display_id"), ["--display_id -1"]),
        ("cpu", ("use_wandb",), []),
    ],
)
def test_commands_for_a_copy_are_in_its_words(
    device: str, others: tuple[str, ...], said: list[str]
) -> None:
    study = make_study(12, device=device)
    options = known(best_config(study, 1), "lr_decay_iters", "continue_train", *others)
    config = best_config(study, 1, {**SHARED, "options": options})
    for text in (config["command"], config["full_command"]):
        assert text.startswith("cd '/the copy'\n")
        assert "'/the copy/.venv/bin/python' train.py" in text
        for option in ("--gpu_ids -1", "--display_id -1"):
            assert (option in text) == (option in said)
    assert config["needs"] == best_config(study, 0, {**SHARED, "options": options})["needs"]
    assert "built-in pictures" in " ".join(config["needs"])  # that is all


def test_the_copy_that_ran_the_trials_is_the_one_that_commands_are_for() -> None:
    plain = best_config(make_study(12), 1)
    options = sorted(known(plain, "lr_decay_iters", "continue_train"))
    older = ["niter" if o == "n_epochs" else "niter_decay" if o == "n_epochs_decay" else o
             for o in options]  # fmt: skip
    study = make_study(12, repository={**SHARED, "options": older})
    assert "--niter 1000" in best_config(study, 1)["full_command"]
    assert "--n_epochs" not in best_config(study, 1)["full_command"]
    asked_for = best_config(study, 1, {**SHARED, "options": options})
    assert "--n_epochs 1000" in asked_for["full_command"]


def test_a_copy_without_the_perceptual_model_cannot_train_with_it() -> None:
    study = make_study(12)
    options = known(best_config(study, 0), "lr_decay_iters", "continue_train")
    for models in ({}, {"models": ["pix2pix"]}):  # an earlier version did not look at them
        with pytest.raises(
            ValueError,
            match=r"no --model pix2pix_with_perceptual, .*plugin .* --set lambda_perceptual=0",
        ):
            best_config(study, 6, {**SHARED, "options": options, **models})
    moving = make_study(9, train=TRAIN | {"netG": "warp_unet_128"})
    with pytest.raises(ValueError, match=r"no --model pix2pix_warp, .* or leave --repo out, and"):
        best_config(moving, 0, {**SHARED, "options": options, "models": ["pix2pix"]})
    older = options - {"lr_policy"}
    with pytest.raises(ValueError, match=r"knows no --lr_policy: it is older than 2019"):
        best_config(study, 0, {**SHARED, "options": older})


def test_script_gives_train_py_its_arguments_whatever_the_names(tmp_path: Path) -> None:
    """Run by bash, with a python in its way that only says how it was called."""
    folder = "/it's\ntouch evil; $(touch evil)"
    study = make_study(
        12,
        name="a\ntouch evil $(touch evil) `touch evil`",
        data=study_attrs()["data"] | {"folder": folder},
    )
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nprintf '%s\\0' \"$@\"\n")
    python.chmod(0o755)
    script = tmp_path / "full.sh"
    script.write_text(as_script(best_config(study, 2)), encoding="utf-8")
    done = subprocess.run(
        ["bash", script], cwd=tmp_path, env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    words = done.stdout.split("\0")
    assert words[0] == "train.py"
    assert words[words.index("--dataroot") + 1] == folder
    assert sorted(file.name for file in tmp_path.iterdir()) == ["full.sh", "python"]


def test_the_command_is_the_full_training_unless_the_trial_is_to_be_repeated() -> None:
    config = best_config(make_study(12))
    assert as_command(config) == config["full_command"]
    assert as_command(config, repeat_trial=True) == config["command"]


def test_a_full_training_has_settings_of_three_digits_and_the_trial_its_own() -> None:
    study = empty_study()
    found = {"lambda_L1": 104.34529, "lambda_perceptual": 17.5, "lr": 0.00032342295}
    searched = {"beta1": 0.99996, "init_gain": 0.0123456, "batch_size": 2}
    add_trial(study, BEST | found, extras=searched)
    config = best_config(study)
    assert config["params"] == BEST | found
    for option, exact, short in (
        ("lambda_L1", "104.34529", "104"),
        ("lambda_perceptual", "17.5", "17.5"),
        ("lr", "0.00032342295", "0.000323"),
        ("init_gain", "0.0123456", "0.0123"),
        ("beta1", "0.99996", "0.99996"),  # 1 would be refused
        ("batch_size", "2", "2"),
    ):
        assert f"--{option} {exact} " in config["command"]
        assert f"--{option} {short} " in config["full_command"]
    assert (
        "(full_command) is as long as the guide's, with the searched settings rounded"
        in " ".join(config["notes"])
    )


def test_notes_on_this_programs_own_training_are_not_given_for_train_py() -> None:
    """It keeps no running average of its weights, and its perceptual term is the copy's."""
    study = make_study(12)
    study.set_user_attr("train", {**study.user_attrs["train"], "ema_decay": 0.98})
    study.set_user_attr("weights", "random")
    own = (r"running average", r"compared VGG19's relu", r"perceptual term .* random networks")
    notes = " ".join(best_config(study)["notes"])
    assert all(re.search(text, notes) for text in own)
    study.set_user_attr("trainer", "external")
    config = best_config(study)
    assert not any(re.search(text, " ".join(config["notes"])) for text in own)
    assert config["provenance"]["trainer"] == "external"


def test_a_trial_of_either_kind_is_trained_in_full_with_the_guide_s_network() -> None:
    """The quick profile's unet_128 is not a setting that the search chose."""
    study = empty_study()
    kinds = CategoricalDistribution(("repaint", "warp"))
    for kind, netG in (("repaint", "unet_128"), ("warp", "warp_unet_128")):
        study.add_trial(
            create_trial(
                value=0.2,
                params=BEST | {"generator": kind},
                distributions=SPACE | {"generator": kinds},
                user_attrs={"params": BEST, "extras": {"netG": netG}},
            )
        )
    assert "--netG unet_128 " in best_config(study, 0)["command"]
    assert "--netG unet_256 " in best_config(study, 0)["full_command"]
    assert "train.py" not in best_config(study, 1)["full_command"]


def test_commands_of_both_answers_are_in_the_words_of_the_copy() -> None:
    study = study_of_both_kinds()
    options = known(best_config(study, 1), "lr_decay_iters", "continue_train")
    models = ["pix2pix_warp", "pix2pix_with_perceptual"]
    winner = best_config(study, None, {**SHARED, "options": options, "models": models})
    for answer in (winner, winner["as_is"]):
        for key in ("command", "full_command"):
            assert answer[key].startswith("cd '/the copy'\n")
