"""What a training shows: lines for a log, and its state at the bottom of a terminal."""

import re
from itertools import count
from pathlib import Path

import pytest

from harness.console.lines import sparkline
from harness.full_training.view import (
    EpochEnded,
    Event,
    LiveTrainingView,
    PlainTrainingView,
    Remark,
    Scored,
    StageBegan,
    TrainingBegan,
    make_training_view,
)

LOSSES = {"G_L1": 0.12345, "D": 1.5}
RESUMED: tuple[Event, ...] = (
    TrainingBegan(("[bold]얼굴[/]", "\x1b[31m"), 9),
    StageBegan(1, 2, 128, 4, 4, 0.2),  # an earlier run finished it
    StageBegan(2, 2, 256, 1, 5, 0.25),
    EpochEnded(6, 2, 2.04e-4, LOSSES),
    Scored(2, 0.3, 0.35, True),
    EpochEnded(7, 3, 1e-4, LOSSES),
    Scored(3, 0.2, None, False),
    Remark("[/nothing] of note"),
)
LINES = [
    "[bold]얼굴[/]",
    "\\x1b[31m",
    "Stage 1 of 2: 4 epochs at 128 px, 4 of them done. The input unchanged (no-op) scores 0.2000.",
    "Stage 2 of 2: 5 epochs at 256 px, 1 of them done. The input unchanged (no-op) scores 0.2500.",
    "epoch    2  score 0.3000 (on training pairs 0.3500)  G_L1 0.123  <- best so far",
    "epoch    3  score 0.2000  G_L1 0.123",
    "[/nothing] of note",
]


def test_a_log_has_a_line_for_every_score_at_once(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w", encoding="utf-8") as log:
        view = PlainTrainingView(log, clock=count(0, 40).__next__)
        for event in RESUMED:
            view.show(event)
        view.show(StageBegan(1, 1, 128, 0, 1, 0.2))
        lines = (tmp_path / "log").read_text(encoding="utf-8").splitlines()
    found = [line for line in lines if "stage left" in line]
    assert ["2 min of" in found[0], "1 min of" in found[1], len(found)] == [True, True, 2], found
    assert max(map(len, lines)) <= 100
    text = re.sub(r" \S+ min of this stage left", "", " ".join(" ".join(lines[:-1]).split()))
    assert text == " ".join(" ".join(LINES).split())
    assert lines[-1] == "1 epoch at 128 px. The input unchanged (no-op) scores 0.2000."


def test_a_terminal_shows_the_same_lines_and_how_far_the_training_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("TERM", "dumb")
    view = make_training_view()
    assert isinstance(view, LiveTrainingView)
    (task,) = view.progress.tasks
    seen = []
    for event in RESUMED:
        view.show(event)
        seen.append((int(task.completed), task.description))
    assert task.total == 9
    state = "G_L1 0.123 D 1.5  lr 0.0002  "
    assert seen[:4] == [(0, ""), (4, ""), (5, ""), (6, state)]
    assert seen[5] == (7, f"G_L1 0.123 D 1.5  lr 0.0001  {sparkline([0.3])}")
    assert view.scores == [0.3, 0.2]
    view.show(StageBegan(2, 2, 256, 1, 5, 0.25))
    assert view.scores == []  # those of another size cannot be compared
    view.close()
    assert not view.progress.live.is_started
    printed = " ".join(capsys.readouterr().out.split())
    for line in LINES:
        assert " ".join(line.split()) in printed
    monkeypatch.setattr("sys.stdout.isatty", lambda: False)
    assert isinstance(make_training_view(), PlainTrainingView)
