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


def test_plain_values_share_a_line_and_mean_the_same() -> None:
    found = {
        "scores": [0.1, 0.25],
        "runs": {"1": {"score": 0.5, "pictures": []}, "odd": ["a ]", "{ b", "c\n [ d ]"]},
        "rows": [{"name": "x, y", "seconds": None}, {"name": "[ z ]"}],
    }
    text = scaffold.as_text(found)
    assert json.loads(text) == found
    lines = text.splitlines()
    assert ' "scores": [0.1, 0.25],' in lines
    assert '  { "name": "x, y", "seconds": null },' in lines
