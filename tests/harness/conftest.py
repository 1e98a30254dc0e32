"""What tests of searches share."""

import pytest

import harness.search
from harness.tracking import NullTracker


@pytest.fixture
def unmirrored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without MLflow, whose import and first database take seconds."""
    monkeypatch.setattr(harness.search, "open_tracker", lambda *_: NullTracker())
