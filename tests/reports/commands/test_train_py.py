"""Exported commands do what the settings say: one test for each trap of the guide."""

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from reports.commands.train_py import (
    FULL_TRAINING,
    full_commands,
    in_whole_epochs,
    progressive_commands,
    shell,
    train_commands,
)
from tests.synthetic_studies import RECIPES, TRAIN, study_attrs

DATA = study_attrs()["data"]
TRIAL = TRAIN

# Options that pytorch-CycleGAN-and-pix2pix has had in every version since 2019, with pix2pix.
SHARED = {
    "dataroot", "name", "model", "dataset_mode", "direction", "preprocess", "load_size",
    "crop_size", "batch_size", "netG", "ngf", "netD", "n_layers_D", "ndf", "norm", "init_type",
    "init_gain", "gan_mode", "lambda_L1", "lr", "beta1", "n_epochs", "n_epochs_decay", "lr_policy",
    "lr_decay_iters", "save_epoch_freq", "continue_train", "no_flip", "no_dropout",
}  # fmt: skip
USERS_OWN = {"use_perceptual", "lambda_perceptual"}
SWITCHES = {"use_perceptual", "no_flip", "no_dropout", "continue_train"}


def params_of(recipe: str, **changed: Any) -> dict[str, Any]:
    return RECIPES[recipe] | changed


def parsed(command: list[str]) -> dict[str, str | None]:
    """The command's options as an argument parser would take them; switches have no value."""
    assert command[:2] == ["python", "train.py"]
    options: dict[str, str | None] = {}
    words = command[2:]
    while words:
        option = words.pop(0)
        assert option.startswith("--")
        name = option.removeprefix("--")
        assert name not in options, f"{name} stands twice"
        options[name] = None if name in SWITCHES else words.pop(0)
    return options


def trial_options(recipe: str = "recommended", **train: Any) -> dict[str, str | None]:
    (command,) = train_commands(params_of(recipe), TRIAL | train, DATA, "study", None)
    return parsed(command)


@pytest.mark.parametrize("recipe", RECIPES)
def test_trap_n_layers_needs_net_d_n_layers(recipe: str) -> None:
    options = trial_options(recipe)
    assert options["netD"] == "n_layers"
    assert options["n_layers_D"] == str(RECIPES[recipe]["n_layers_D"])


@pytest.mark.parametrize("recipe", RECIPES)
def test_trap_perceptual_model_only_where_the_term_is_used(recipe: str) -> None:
    options = trial_options(recipe)
    used = RECIPES[recipe]["lambda_perceptual"] > 0
    assert options["model"] == ("pix2pix_with_perceptual" if used else "pix2pix")
    assert options.keys() >= USERS_OWN if used else not USERS_OWN & options.keys()


@pytest.mark.parametrize("flip", [True, False])
def test_trap_no_flip_is_a_switch(flip: bool) -> None:
    (command,) = train_commands(
        params_of("recommended"), TRIAL | {"flip": flip}, DATA, "study", None
    )
    assert ("--no_flip" in command) is not flip
    assert "False" not in command
    assert "True" not in command


def test_no_dropout_is_a_switch() -> None:
    assert "no_dropout" in trial_options(dropout=False)
    assert "no_dropout" not in trial_options(dropout=True)


@pytest.mark.parametrize("recipe", RECIPES)
def test_trap_gan_mode_in_full(recipe: str) -> None:
    assert trial_options(recipe)["gan_mode"] == RECIPES[recipe]["gan_mode"]


def test_trap_no_load_pretrain_but_continue_train_for_the_users_own_model() -> None:
    assert "continue_train" not in trial_options()
    *laying, command = train_commands(
        params_of("recommended"), TRIAL, DATA, "study", "/a run/warm_start"
    )
    assert "continue_train" in parsed(command)
    assert parsed(command)["name"] == "study"
    assert laying == [
        ["mkdir", "-p", "./checkpoints/study"],
        ["cp", "/a run/warm_start/latest_net_G.pth", "./checkpoints/study/latest_net_G.pth"],
        [
            "cp",
            "/a run/warm_start/latest_net_D_3_lsgan.pth",
            "./checkpoints/study/latest_net_D.pth",
        ],
    ]


@pytest.mark.parametrize("recipe", RECIPES)
def test_only_options_that_all_current_versions_share(recipe: str) -> None:
    commands = [
        *train_commands(params_of(recipe), TRIAL, DATA, "study", None),
        *full_commands(params_of(recipe), DATA, "study", {}),
    ]
    for command in commands:
        assert parsed(command).keys() <= SHARED | USERS_OWN


@pytest.mark.parametrize(
    ("steps", "n_train", "batch", "epochs"),
    [(400, 48, 1, 9), (400, 100, 1, 4), (400, 400, 1, 1), (400, 9, 4, 134), (10, 0, 1, 10)],
)
def test_steps_become_epochs(steps: int, n_train: int, batch: int, epochs: int) -> None:
    """No fewer steps than the trial's, and less than one epoch more."""
    train = TRIAL | {"steps": steps, "batch_size": batch}
    (command,) = train_commands(
        params_of("recommended"), train, DATA | {"n_train": n_train}, "study", None
    )
    assert parsed(command)["n_epochs"] == str(epochs)
    assert 0 <= epochs * math.ceil(max(1, n_train) / batch) - steps < max(1, n_train)


def test_a_trial_shorter_than_half_an_epoch_is_repeated_for_one() -> None:
    for steps, whole in ((10, 48), (71, 48), (73, 96)):
        assert in_whole_epochs(TRIAL | {"steps": steps}, DATA, DATA, "builtin")["steps"] == whole


def learning_rates(options: dict[str, str | None]) -> list[float]:
    """The factor on lr in each epoch, as train.py since 2020 sets it (as the epoch begins)."""
    epochs, decay = int(options["n_epochs"] or 0), int(options["n_epochs_decay"] or 0)
    if options["lr_policy"] == "linear":
        return [1 - max(0, e + 1 - epochs) / (decay + 1) for e in range(1, epochs + decay + 1)]
    every = int(options["lr_decay_iters"] or 0)
    return [0.1 ** (e // every) for e in range(1, epochs + decay + 1)]


def test_trap_learning_rate_is_constant_in_a_trials_command() -> None:
    """The default linear policy with no decay would train the last epoch with a rate of 0."""
    assert set(learning_rates(trial_options())) == {1.0}
    linear = trial_options() | {"lr_policy": "linear"}
    assert learning_rates(linear)[-1] == 0


def test_a_short_run_is_saved() -> None:
    options = trial_options()
    assert int(options["n_epochs"] or 0) % int(options["save_epoch_freq"] or 0) == 0


def test_fixed_settings_are_the_trials_own() -> None:
    options = trial_options(
        netG="unet_256", ngf=32, ndf=48, norm="instance", preprocess="resize_and_crop",
        load_size=286, crop_size=256, batch_size=2, beta1=0.9,
    )  # fmt: skip
    wanted = {
        "netG": "unet_256", "ngf": "32", "ndf": "48", "norm": "instance",
        "preprocess": "resize_and_crop", "load_size": "286", "crop_size": "256",
        "batch_size": "2", "beta1": "0.9", "direction": "AtoB",
    }  # fmt: skip
    assert options | wanted == options


def test_full_training_is_the_guides() -> None:
    (command,) = full_commands(
        params_of("recommended", lambda_L1=82.5, n_layers_D=4), DATA, "study", {}
    )
    options = parsed(command)
    wanted = {
        "load_size": "1024", "crop_size": "1024", "preprocess": "scale_width_and_crop",
        "n_epochs": "1000", "n_epochs_decay": "1000", "netG": "unet_256", "ngf": "64",
        "batch_size": "1", "lambda_L1": "82.5", "netD": "n_layers", "n_layers_D": "4",
        "ndf": "64", "norm": "batch", "beta1": "0.5", "lr_policy": "linear", "lr": "0.0001",
        "init_type": "normal", "init_gain": "0.02", "save_epoch_freq": "100",
        "lambda_perceptual": "10", "gan_mode": "lsgan", "model": "pix2pix_with_perceptual",
        "dataset_mode": "aligned", "direction": "AtoB",
    }  # fmt: skip
    assert options | wanted == options
    assert not options.keys() & {"no_flip", "no_dropout", "continue_train"}
    assert FULL_TRAINING["crop_size"] % 256 == 0


def test_trap_second_stage_finds_the_first_ones_weights() -> None:
    first, mkdir, copy, second = progressive_commands(params_of("progressive"), DATA, "study", {})
    one, two = parsed(first), parsed(second)
    assert (one["load_size"], one["crop_size"], one["lr"]) == ("512", "256", "0.0002")
    assert (two["load_size"], two["crop_size"], two["lr"]) == ("1024", "1024", "0.0001")
    for options in (one, two):
        assert (options["n_epochs"], options["n_epochs_decay"]) == ("500", "500")
        assert (options["lr_policy"], options["save_epoch_freq"]) == ("linear", "100")
        assert (options["netG"], options["ngf"], options["lambda_L1"]) == ("unet_256", "64", "100")
        assert (options["preprocess"], options["gan_mode"]) == ("scale_width_and_crop", "vanilla")
    assert "continue_train" in two
    assert "continue_train" not in one
    run, earlier = f"./checkpoints/{two['name']}", f"./checkpoints/{one['name']}"
    assert mkdir == ["mkdir", "-p", run]
    assert copy == [
        "cp", f"{earlier}/latest_net_G.pth", f"{earlier}/latest_net_D.pth", run
    ]  # fmt: skip


STAGES = """
import sys
from pathlib import Path

run = Path("checkpoints") / sys.argv[sys.argv.index("--name") + 1]
run.mkdir(parents=True, exist_ok=True)
for net in "GD":
    file = run / f"latest_net_{net}.pth"
    begun = file.read_text() if "--continue_train" in sys.argv else "nothing"
    file.write_text(f"{begun}, then {net} at {sys.argv[sys.argv.index('--crop_size') + 1]}")
"""


def test_trap_the_second_stage_begins_with_what_the_first_one_left(tmp_path: Path) -> None:
    """The script as a shell runs it, with a train.py that only notes what it began with."""
    (tmp_path / "train.py").write_text(STAGES)
    params, nets = params_of("progressive"), {"netG": "resnet_9blocks"}
    commands = progressive_commands(params, DATA, "study", nets)
    assert [parsed(c)["netG"] for c in (commands[0], commands[-1])] == ["resnet_9blocks"] * 2
    script = "\n".join(map(shell, commands))
    path = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    subprocess.run(["bash", "-euc", script], cwd=tmp_path, env=path, check=True)
    for net in "GD":
        held = (tmp_path / "checkpoints" / "study" / f"latest_net_{net}.pth").read_text()
        assert held == f"nothing, then {net} at 256, then {net} at 1024"


@pytest.mark.parametrize(
    "folder",
    ["/data/my pairs", "/데이터/보정 쌍", "/it's", '/a"b', "/$HOME/`x`", "/a;rm b", "/new\nline"],
)
def test_folders_survive_the_shell(folder: str) -> None:
    (command,) = train_commands(
        params_of("recommended"), TRIAL, DATA | {"folder": folder}, "study", None
    )
    printed = f"printf '%s\\0' {shell(command)}"
    words = subprocess.run(["bash", "-c", printed], capture_output=True, text=True, check=True)
    assert words.stdout.split("\0") == [*command, ""]
    assert parsed(command)["dataroot"] == folder


@pytest.mark.parametrize("name", ["a/b", "../up", "얼굴 복원", "-rf", "<script>", "...", "a'b\nc"])
def test_a_study_name_is_one_plain_folder(name: str) -> None:
    (command,) = train_commands(params_of("recommended"), TRIAL, DATA, name, None)
    run = parsed(command)["name"] or ""
    assert run
    assert run[0] not in "-."
    assert not set(run) & set("/'\"<> \n")


@pytest.mark.parametrize("value", [1e-4, 5e-5, 2e-4, 123.456789, 0.00020617108706323, 500.0, 1e-9])
def test_numbers_are_read_back_exactly(value: float) -> None:
    (command,) = train_commands(params_of("recommended", lr=value), TRIAL, DATA, "study", None)
    assert float(parsed(command)["lr"] or 0) == value


def test_built_in_pictures_leave_a_place_for_the_users_folder() -> None:
    assert trial_options()["dataroot"] == "./pairs"
