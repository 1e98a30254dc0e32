"""`harness train` refuses unusable input with one sentence and writes nothing."""

import os
from pathlib import Path
from typing import Any

import pytest

from harness.config.best_config import read_best_config
from harness.errors import UserInputError
from harness.full_training.folder import claim_folder, difference
from harness.full_training.train import train_fully
from harness.paths import TrainingPaths, sole_writer
from tests.harness.full_training.helpers import STAGES, RecordingView, make_config
from tests.harness.portraits import write_best

REFUSALS: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({}, {"config": Path("missing.yaml")}, "missing.yaml cannot be read"),
    ({"schema": 2}, {}, "schema cannot be used"),
    ({"params": {"lambda_L1": -1}}, {}, "params.lambda_L1 cannot be used"),
    ({"train": {"netH": "unet"}}, {}, "train.netH cannot be used"),
    ({"params": {"n_layers_D": 10**9}}, {}, "params.n_layers_D cannot be .* equal to 12"),
    ({"train": {"ngf": 10**9}}, {}, "train.ngf cannot be .* equal to 256"),
    ({"train": {"crop_size": 10**9}}, {}, "train.crop_size cannot be .* equal to 8192"),
    ({"train": {"steps": 10**12}}, {}, "train.steps cannot be .* equal to 10000000"),
    ({"train": {"perceptual_layers": ["relu9_9"]}}, {}, "train.perceptual_layers.0 cannot be"),
    ({"train": {"perceptual_layers": []}}, {}, "train.perceptual_layers cannot be"),
    ({"train": {"perceptual_window": 0}}, {}, "train.perceptual_window cannot be"),
    ({"stages": [{**STAGES[0], "epochs": 10**12}]}, {}, "stages.0.epochs cannot be"),
    ({"study": "\x1b[31m"}, {}, "study cannot be used: .* must not contain control characters"),
    ({"study": "x" * 201}, {}, "study cannot be used"),
    ({}, {"crop_size": 100}, "needs a crop_size that is a multiple of 128"),
    ({}, {"load_size": 64}, "load_size 64 is smaller than crop_size 128"),
    ({"params": {"n_layers_D": 7}}, {}, "n_layers_D 7 is too deep"),
    ({"stages": STAGES}, {}, "--epochs and the stages"),
    ({}, {"epochs": 0, "epochs_decay": 0}, "no epochs"),
    ({}, {"data": Path("nowhere")}, "nowhere"),
    ({}, {"direction": None}, "direction AtoB turns the sharper picture into the softer one"),
    ({"provenance": {"data": "/gone/pairs"}}, {"data": None}, "/gone/pairs, which does not exist"),
    ({}, {"out": Path("/proc/nothing")}, "cannot be written"),
    ({}, {"init_from": [Path("nothing.pth")]}, "nothing.pth cannot be read"),
    ({}, {"objective": "by_eye"}, "--objective by_eye is neither"),
]


@pytest.mark.parametrize(("file", "options", "message"), REFUSALS)
def test_unusable_input_is_refused_and_nothing_is_written(
    tmp_path: Path, pairs: Path, file: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    write_best(tmp_path / "best.yaml", **file)
    with pytest.raises(UserInputError, match=message):
        train_fully(make_config(tmp_path, pairs, **options), RecordingView())
    assert [entry.name for entry in tmp_path.iterdir()] == ["best.yaml"]


def test_another_yaml_is_refused_by_the_entry_that_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "space.yaml").write_text("params: {}\n")
    with pytest.raises(UserInputError, match=r"space\.yaml has no entry schema: is it the file"):
        read_best_config(tmp_path / "space.yaml")


def test_a_discriminator_is_refused_as_initial_generator(
    finished: tuple[Path, RecordingView], tmp_path: Path, pairs: Path
) -> None:
    given = finished[0] / "latest_net_D.pth"
    with pytest.raises(UserInputError, match=r"latest_net_D\.pth is not .* a pix2pix generator"):
        train_fully(make_config(tmp_path, pairs, init_from=[given]), RecordingView())


def test_two_processes_do_not_train_in_one_folder(tmp_path: Path, pairs: Path) -> None:
    out = TrainingPaths(tmp_path / "out")
    write_best(tmp_path / "best.yaml")
    with (
        sole_writer(out.folder, out.lock, "training"),
        pytest.raises(UserInputError, match=r"Another process is training in .*out.* --out DIR"),
    ):
        train_fully(make_config(tmp_path, pairs), RecordingView())
    assert list(out.folder.iterdir()) == []


def test_an_objective_named_by_a_file_is_not_imported(
    tmp_path: Path, pairs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The module is in the current folder; only the command line may name it."""
    monkeypatch.chdir(tmp_path)
    Path("stranger.py").write_text("open('ran', 'w').close()\n", encoding="utf-8")
    write_best(tmp_path / "best.yaml", provenance={"objective": "stranger:make"})
    with pytest.raises(UserInputError, match="trust it, add --objective stranger:make"):
        train_fully(make_config(tmp_path, pairs), RecordingView())
    assert not Path("ran").exists()
    with pytest.raises(UserInputError, match="stranger has no callable make"):
        train_fully(make_config(tmp_path, pairs, objective="stranger:make"), RecordingView())
    assert Path("ran").exists()


def test_another_program_s_checkpoints_are_not_overwritten(tmp_path: Path, pairs: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "latest_net_G.pth").write_bytes(b"theirs")
    with pytest.raises(UserInputError, match="checkpoints of another program"):
        train_fully(make_config(tmp_path, pairs), RecordingView())
    assert (tmp_path / "out" / "latest_net_G.pth").read_bytes() == b"theirs"


def test_the_required_weights_are_those_of_the_objective_s_network(
    tmp_path: Path, pairs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr("objectives.weights.try_download", lambda arch: False)
    write_best(tmp_path / "best.yaml", params={"lambda_perceptual": 0})
    config = make_config(tmp_path, pairs, objective="boundary_sharpness_vgg", weights="pretrained")
    with pytest.raises(UserInputError, match=r"vgg16-397923af\.pth are missing") as refused:
        train_fully(config, RecordingView())
    assert "vgg19" not in str(refused.value)  # without a perceptual term


def test_a_training_that_began_with_other_networks_is_refused_in_words(tmp_path: Path) -> None:
    claim_folder(tmp_path, {"init_from": []})
    with pytest.raises(UserInputError, match=r"with other networks to begin with \(--init-from\):"):
        claim_folder(tmp_path, {"init_from": ["a" * 32]})


@pytest.mark.parametrize("saved", [[], [""], ["stage9", "stage10"]])
def test_the_weights_of_another_training_are_named_where_they_are(
    saved: list[str], tmp_path: Path
) -> None:
    claim_folder(tmp_path, {"seed": 0})
    for age, stage in enumerate(reversed(saved)):
        network = tmp_path / stage / "latest_net_G.pth"
        network.parent.mkdir(exist_ok=True)
        network.touch()
        os.utime(network, (1000 - age, 1000 - age))
    with pytest.raises(UserInputError) as refused:
        claim_folder(tmp_path, {"seed": 1})
    rest = str(refused.value).partition("choose another folder with --out DIR")[2]
    assert rest == (
        f" (there --init-from {tmp_path / saved[-1] / 'latest_net_G.pth'} continues from its "
        "weights)."
        if saved
        else "."
    )


def test_what_differs_from_a_training_is_named_with_its_values() -> None:
    one, longer = ({"load_size": 128, "epochs": epochs} for epochs in (10, 1000))
    assert difference("stages", [one], [longer]) == "epochs (10, now 1000)"
    assert difference("stages", [one], [one, longer]).startswith("stages: epochs, picture sizes")
    assert difference("params", {"lr": 1e-4, "a": 1}, {"lr": 2e-4, "a": 1}) == (
        "lr (0.0001, now 0.0002)"
    )
    assert difference("data", ["a" * 32], ["b" * 32]) == "pairs"
