"""A user's own program, as its description is read."""

from pathlib import Path
from typing import Any

from harness.config.settings import Program


def program_of(place: Path, /, *command: str, **others: Any) -> Program:
    """A program described in `place`; unless told otherwise, it writes one checkpoint."""
    known: dict[str, Any] = {
        "file": place / "p.yaml",
        "folder": place,
        "command": command,
        "mark": None,
        "checkpoint": "G.pth",
        "restored": None,
        "log": None,
        "losses": None,
        "silence": 9,
    }
    return Program(**known | others)
