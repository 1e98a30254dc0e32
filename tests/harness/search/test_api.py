"""The Python API hands on what it is given."""

from pathlib import Path
from typing import Any

import pytest

import harness
from harness.console.views import QuietView
from harness.search import api
from tests.synthetic_studies import RECIPES, make_study


@pytest.mark.parametrize("quiet", [True, False])
def test_a_quiet_search_prints_nothing(monkeypatch: pytest.MonkeyPatch, quiet: bool) -> None:
    monkeypatch.setattr(api, "search", lambda *told: told)
    config = harness.SearchConfig(budget=7)
    told, view = harness.find_settings(config, quiet)
    assert told is config
    assert isinstance(view, QuietView) == quiet


def test_a_report_is_written_as_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Any] = []
    monkeypatch.setattr("reports.page.report.write_report", lambda *told: written.append(told))
    study, file = make_study(2), tmp_path / "x.html"
    harness.write_report(study, file, "ko", panels=tmp_path, storage="postgresql://there/x")
    assert written == [(study, file, "ko", tmp_path, "postgresql://there/x")]


def test_the_configuration_is_that_of_the_trial_named() -> None:
    study = make_study(12)
    assert [harness.best_configuration(study, number)["trial"] for number in (3, 5)] == [3, 5]
    named = harness.best_configuration(study, "recommended")
    assert named["params"] == RECIPES["recommended"]
