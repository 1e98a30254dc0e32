"""The command that a decision names."""

from pathlib import Path

from reports.commands.next_command import Where, needs_pictures
from tests.reports.analysis.deciding import decided, words
from tests.synthetic_studies import (
    TRAIN,
    finals_of,
    make_study,
    study_attrs,
    study_of_both_kinds,
)


def test_a_setting_of_train_py_is_exported_from_where_the_study_lies(tmp_path: Path) -> None:
    folder = tmp_path / "my runs" / "boundary-sharpness"
    where = Where(folder, "postgresql://there/optuna")
    study = make_study(12, name="faces; rm -rf", finalists=finals_of(0.1, 0.2))
    assert words(decided(study, where).command) == [
        *("harness", "export", "--format", "command", "--run-dir", str(folder.parent)),
        *("--study", "faces; rm -rf", "--storage", "postgresql://there/optuna"),
    ]
    said = (
        "This prints the train.py command of the full training: {} px, ngf 64, 1000 + 1000 epochs. "
        "The trials were smaller (128 px, ngf 16), so that many could be compared in little time."
    )
    assert decided(study, where).trains == said.format(1024)
    study.set_user_attr("pinned", {"crop_size": 512})
    assert decided(study, where).trains == said.format(512)


def test_a_setting_that_moves_pixels_is_trained_here() -> None:
    data = study_attrs()["data"] | {"folder": "/data/my pairs", "direction": "BtoA"}
    finals = finals_of(0.1, 0.2, as_is=(-0.01, 0.01))
    found = decided(
        study_of_both_kinds(data=data, finalists=finals), Where(Path("there/boundary-sharpness"))
    )
    assert words(found.command) == [
        *("harness", "train", "there/boundary-sharpness/best.yaml", "--data", "/data/my pairs"),
        *("--direction", "BtoA", "--out", "boundary-sharpness-t003", "--run-dir", "there"),
    ]
    assert not needs_pictures(found.command)
    builtin = decided(study_of_both_kinds(finalists=finals))
    assert "--data ./pairs " in builtin.command
    assert "--run-dir" not in builtin.command
    assert builtin.trains == (
        "This trains at 128 px (ngf 16) for 1000 + 1000 epochs. harness restore then applies the "
        "model to pictures of any size, and harness score compares it with your present one."
    )
    assert needs_pictures(builtin.command)


def test_a_moving_setting_whose_best_yaml_was_removed_is_written_first(tmp_path: Path) -> None:
    moving = TRAIN | {"netG": "warp_unet_128"}
    study = make_study(12, train=moving, finalists=finals_of(-0.01, 0.03))
    found = decided(study, Where(tmp_path / "boundary-sharpness"))
    first, second = found.command.split(" && ")
    assert words(first)[-4:] == ["--trial", "6", "-o", "boundary-sharpness-t006.yaml"]
    assert words(second)[:3] == ["harness", "train", "boundary-sharpness-t006.yaml"]


def test_a_moving_setting_of_the_users_own_copy_is_trained_there() -> None:
    """Its trials ran in that copy, which has our model file, and the export knows it."""
    finals = finals_of(0.1, 0.2, as_is=(-0.01, 0.01))
    study = study_of_both_kinds(
        finalists=finals, repository={"folder": "/copy", "python": "python", "options": []}
    )
    assert words(decided(study).command)[:4] == ["harness", "export", "--format", "command"]
