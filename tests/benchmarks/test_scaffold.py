"""What all benchmarks rely on: peers take turns, and a result says where it was measured."""

import json
from pathlib import Path

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
