"""What all benchmarks rely on: peers take turns, and a result says where it was measured."""

import json
from pathlib import Path
from typing import NoReturn

import pytest

from benchmarks import scaffold


def test_peers_take_turns() -> None:
    order: list[str] = []

    def act(name: str) -> int:
        order.append(name)
        return len(order)

    found = scaffold.in_turns({"ours": lambda: act("ours"), "plain": lambda: act("plain")}, 2)
    assert order == ["ours", "plain", "ours", "plain"]
    assert found == {"ours": [1, 3], "plain": [2, 4]}


def test_a_result_begins_with_its_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(scaffold, "RESULTS", tmp_path / "results")
    scaffold.write_result("made_up", {"ratio": 2.5})
    text = (tmp_path / "results" / "made_up.json").read_text(encoding="utf-8")
    held = json.loads(text)
    assert list(held) == ["machine", "ratio"]
    assert {"device", "cores", "threads", "torch", "date"} <= set(held["machine"])
    assert capsys.readouterr().out == text


def refuse(why: str) -> NoReturn:
    raise ValueError(why)


def test_runs_made_alike_are_continued_and_others_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scaffold, "RESULTS", tmp_path / "results")
    made = {"digest": "a"}
    kept = scaffold.resume_result("made_up", made, refuse)
    assert list(kept) == ["machine", "digest"]
    scaffold.save_result("made_up", kept | {"runs": {"0": [0.5]}})
    assert scaffold.resume_result("made_up", made, refuse)["runs"] == {"0": [0.5]}
    with pytest.raises(ValueError, match=r"made_up\.json holds runs made otherwise"):
        scaffold.resume_result("made_up", {"digest": "b"}, refuse)


def test_a_lead_is_over_the_seeds_that_both_have() -> None:
    scores = {"0": [0.5, 0.7], "1": [0.5, 0.7], "2": [9.0, 9.0]}
    found = scaffold.lead(scores, {"1": [0.2, 0.2], "0": [0.4, 0.6]})
    assert found["mean"] == pytest.approx(0.25)
    assert found["low"] < 0.25 < found["high"]
