"""Resuming a training that was killed, stopped, out of disk space, or finished."""

import errno
import os
import signal
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.errors import HarnessError, UserInputError
from harness.full_training.train import last_lines, train_fully
from harness.full_training.view import (
    EpochEnded,
    Event,
    Scored,
    StageBegan,
)
from tests.harness.full_training.helpers import (
    RecordingView,
    die_halfway,
    make_config,
    same,
    weights,
)
from tests.harness.portraits import write_best


def test_a_training_killed_midway_gives_the_same_files_after_a_resume(
    finished: tuple[Path, RecordingView], tmp_path: Path, pairs: Path, run_dir: Path
) -> None:
    """Identical to the bit on the CPU. Each epoch writes at least five files."""
    folder, _ = finished
    write_best(tmp_path / "best.yaml")
    words = ["--epochs", "2", "--epochs-decay", "2", "--check-every", "1", "--save-every", "2"]
    words += ["--weights", "random", "--device", "cpu", "--data", str(pairs)]
    words += ["--direction", "AtoB", "--run-dir", str(run_dir)]
    process = get_context("forkserver").Process(
        target=die_halfway,
        args=(tmp_path, ["train", "best.yaml", *words, "--out", "out"], dict(os.environ)),
    )
    process.start()
    process.join()
    printed = (tmp_path / "printed.txt").read_text()
    assert process.exitcode == -signal.SIGKILL, printed
    assert "epoch    1" in printed
    assert len(list((tmp_path / "out").glob(".*.tmp"))) == 1
    view = RecordingView()
    train_fully(make_config(tmp_path, pairs), view)
    assert view.of(StageBegan)[0].done == 1
    for file in folder.glob("*.pth"):
        assert same(weights(file), weights(tmp_path / "out" / file.name)), file.name
    assert (tmp_path / "out" / "history.csv").read_text() == (folder / "history.csv").read_text()
    assert not list((tmp_path / "out").glob(".*.tmp"))


def test_a_training_stopped_by_the_user_gives_the_same_result_after_a_resume(
    finished: tuple[Path, RecordingView], tmp_path: Path, pairs: Path
) -> None:
    """The state is saved even if the training stops after an epoch that is not scored."""
    folder, _ = finished

    class Impatient(RecordingView):
        def show(self, event: Event) -> None:
            super().show(event)
            if isinstance(event, EpochEnded) and event.epoch == 1:
                os.kill(os.getpid(), signal.SIGINT)

    stopped = train_fully(make_config(tmp_path, pairs), Impatient())
    assert (stopped.ended, stopped.epoch) == ("stopped", 1)
    assert "run the same command again to continue" in last_lines(stopped)[0]
    train_fully(make_config(tmp_path, pairs), RecordingView())
    for net in "GD":
        file = f"latest_net_{net}.pth"
        assert same(weights(folder / file), weights(tmp_path / "out" / file))


def test_a_finished_training_is_not_changed(
    finished: tuple[Path, RecordingView], pairs: Path
) -> None:
    folder, _ = finished
    before = (folder / "latest_net_G.pth").stat().st_mtime_ns
    view = RecordingView()
    assert train_fully(make_config(folder.parent, pairs), view).ended == "finished"
    assert not view.of(Scored)
    assert (folder / "latest_net_G.pth").stat().st_mtime_ns == before


def test_a_folder_belongs_to_one_training(
    finished: tuple[Path, RecordingView], pairs: Path
) -> None:
    folder, _ = finished
    with pytest.raises(UserInputError, match=r"a training with other seed \(0, now 1\)"):
        train_fully(make_config(folder.parent, pairs, seed=1), RecordingView())
    with pytest.raises(UserInputError, match=r"with other epochs \(2, now 3\): repeat"):
        train_fully(make_config(folder.parent, pairs, epochs=3), RecordingView())


def test_a_damaged_state_is_named_in_the_error(
    finished: tuple[Path, RecordingView], tmp_path: Path, pairs: Path
) -> None:
    config = make_config(tmp_path, pairs, epochs=1, epochs_decay=0)
    train_fully(config, RecordingView())
    (tmp_path / "out" / "state.pt").write_bytes(b"half")
    with pytest.raises(UserInputError, match=r"state\.pt cannot be continued"):
        train_fully(config, RecordingView())


def test_a_state_with_weights_that_are_not_finite_is_refused(tmp_path: Path, pairs: Path) -> None:
    config = make_config(tmp_path, pairs, epochs=1, epochs_decay=0)
    train_fully(config, RecordingView())
    state = torch.load(tmp_path / "out" / "state.pt", weights_only=True)
    next(iter(state["training"]["parts"][1].values())).fill_(float("inf"))
    torch.save(state, tmp_path / "out" / "state.pt")
    with pytest.raises(UserInputError, match=r"state\.pt holds weights that are not finite"):
        train_fully(config, RecordingView())


def test_a_full_disk_ends_in_one_sentence_and_the_training_can_be_resumed(
    finished: tuple[Path, RecordingView],
    tmp_path: Path,
    pairs: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The disk fills up while the second epoch's state is written; the first one's is intact."""
    folder, _ = finished
    save, saved = torch.save, 0

    def fill(content: Any, file: Any) -> None:
        nonlocal saved
        saved += "state.pt" in str(file)
        if saved == 2:
            Path(file).write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        save(content, file)

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", fill)
        with pytest.raises(HarnessError, match=r"is full: free some space"):
            train_fully(make_config(tmp_path, pairs), RecordingView())
    assert not list((tmp_path / "out").glob(".*.tmp"))
    view = RecordingView()
    train_fully(make_config(tmp_path, pairs), view)
    assert view.of(StageBegan)[0].done == 1
    assert same(weights(folder / "4_net_G.pth"), weights(tmp_path / "out" / "4_net_G.pth"))
