"""A training killed, stopped, out of disk or finished: what it goes on from."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.errors import HarnessError, UserInputError
from harness.full_training.train import closing, train_fully
from harness.full_training.view import (
    Checked,
    EpochEnded,
    Event,
    StageBegan,
)
from tests.harness.full_training.following import Heard, asked, same, weights
from tests.harness.portraits import write_best

ROOT = Path(__file__).parents[3]


# Runs the command line, and kill -9s itself halfway through a file of the second epoch.
DYING = """
import os, signal, torch
from harness.cli.app import main

save, files = torch.save, 0

def dying(held, file):
    global files
    files += 1
    if files == 8:
        open(file, "wb").write(b"half")
        os.kill(os.getpid(), signal.SIGKILL)
    save(held, file)

torch.save = dying
main()
"""


def test_killed_in_the_middle_it_ends_as_if_it_had_not_been(
    whole: tuple[Path, Heard], tmp_path: Path, pairs: Path, run_dir: Path
) -> None:
    """Bit for bit the same files on the CPU; an epoch keeps at least five."""
    folder, _ = whole
    write_best(tmp_path / "best.yaml")
    words = ["--epochs", "2", "--epochs-decay", "2", "--check-every", "1", "--save-every", "2"]
    words += ["--weights", "random", "--device", "cpu", "--data", str(pairs)]
    words += ["--run-dir", str(run_dir)]
    killed = subprocess.run(
        [sys.executable, "-c", DYING, "train", "best.yaml", *words, "--out", "out"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert "epoch    1" in killed.stdout
    assert len(list((tmp_path / "out").glob(".*.tmp"))) == 1
    heard = Heard()
    train_fully(asked(tmp_path, pairs), heard)
    assert heard.of(StageBegan)[0].done == 1
    for file in folder.glob("*.pth"):
        assert same(weights(file), weights(tmp_path / "out" / file.name)), file.name
    assert (tmp_path / "out" / "history.csv").read_text() == (folder / "history.csv").read_text()
    assert not list((tmp_path / "out").glob(".*.tmp"))


def test_stopped_by_the_user_it_goes_on_to_the_same_end(
    whole: tuple[Path, Heard], tmp_path: Path, pairs: Path
) -> None:
    """Stopped after an epoch that is not scored: the state is kept all the same."""
    folder, _ = whole

    class Impatient(Heard):
        def show(self, event: Event) -> None:
            super().show(event)
            if isinstance(event, EpochEnded) and event.epoch == 1:
                os.kill(os.getpid(), signal.SIGINT)

    stopped = train_fully(asked(tmp_path, pairs), Impatient())
    assert (stopped.ended, stopped.epoch) == ("stopped", 1)
    assert "the same command goes on" in closing(stopped)[0].replace("\n", " ")
    train_fully(asked(tmp_path, pairs), Heard())
    for net in "GD":
        file = f"latest_net_{net}.pth"
        assert same(weights(folder / file), weights(tmp_path / "out" / file))


def test_a_finished_training_is_left_as_it_is(whole: tuple[Path, Heard], pairs: Path) -> None:
    folder, _ = whole
    before = (folder / "latest_net_G.pth").stat().st_mtime_ns
    heard = Heard()
    assert train_fully(asked(folder.parent, pairs), heard).ended == "finished"
    assert not heard.of(Checked)
    assert (folder / "latest_net_G.pth").stat().st_mtime_ns == before


def test_a_folder_holds_one_training(whole: tuple[Path, Heard], pairs: Path) -> None:
    folder, _ = whole
    with pytest.raises(UserInputError, match="a training with other seed"):
        train_fully(asked(folder.parent, pairs, seed=1), Heard())
    with pytest.raises(UserInputError, match="a training with other epochs, picture sizes"):
        train_fully(asked(folder.parent, pairs, epochs=3), Heard())


def test_a_damaged_state_is_said_by_name(
    whole: tuple[Path, Heard], tmp_path: Path, pairs: Path
) -> None:
    config = asked(tmp_path, pairs, epochs=1, epochs_decay=0)
    train_fully(config, Heard())
    (tmp_path / "out" / "state.pt").write_bytes(b"half")
    with pytest.raises(UserInputError, match=r"state\.pt cannot be gone on from"):
        train_fully(config, Heard())


def test_a_state_with_weights_that_are_not_finite_is_refused(tmp_path: Path, pairs: Path) -> None:
    config = asked(tmp_path, pairs, epochs=1, epochs_decay=0)
    train_fully(config, Heard())
    state = torch.load(tmp_path / "out" / "state.pt", weights_only=True)
    next(iter(state["training"]["parts"][1].values())).fill_(float("inf"))
    torch.save(state, tmp_path / "out" / "state.pt")
    with pytest.raises(UserInputError, match=r"state\.pt holds weights that are not finite"):
        train_fully(config, Heard())


def test_a_full_disk_ends_in_one_sentence_and_the_training_goes_on(
    whole: tuple[Path, Heard], tmp_path: Path, pairs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Full while the second epoch's state is written: that of the first is whole."""
    folder, _ = whole
    save, saved = torch.save, 0

    def fill(held: Any, file: Any) -> None:
        nonlocal saved
        saved += "state.pt" in str(file)
        if saved == 2:
            Path(file).write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        save(held, file)

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", fill)
        with pytest.raises(HarnessError, match=r"is full: free some space"):
            train_fully(asked(tmp_path, pairs), Heard())
    assert not list((tmp_path / "out").glob(".*.tmp"))
    heard = Heard()
    train_fully(asked(tmp_path, pairs), heard)
    assert heard.of(StageBegan)[0].done == 1
    assert same(weights(folder / "4_net_G.pth"), weights(tmp_path / "out" / "4_net_G.pth"))
