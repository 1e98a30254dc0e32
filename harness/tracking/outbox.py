"""A folder of entries that wait for delivery to MLflow.

Each entry is a file, so it survives the process that wrote it: the next process that opens the
folder delivers what the last one could not.
"""

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from pydantic import TypeAdapter

from harness.paths import write_atomically


def now() -> int:
    """Milliseconds since 1970, MLflow's unit of time."""
    return int(time.time() * 1000)


@dataclass(frozen=True)
class Ending:
    """How a run ended: MLflow's status, the harness's state and the reason ("" if none)."""

    status: str
    state: str
    reason: str = ""

    @property
    def tags(self) -> dict[str, str]:
        return {"state": self.state, "reason": self.reason}


@dataclass(frozen=True)
class Entry:
    """An update of one run.

    Attributes:
        run: the trial's name, such as `t037`.
        title: title of the run, if the entry starts or restarts it.
        status: MLflow's new status; "" for no change.
        metrics: values at `step`.
        scores: all values of the score at `step`, for the run's table.
        panel: PNG bytes of the picture at `step`; empty if there is none.
        at: time of the event, in milliseconds since 1970; delivery does not change it.
    """

    run: str
    title: str = ""
    status: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)
    step: int = 0
    at: int = field(default_factory=now)
    panel: bytes = field(default=b"", repr=False)

    def as_bytes(self) -> bytes:
        """One line of JSON, followed by the bytes of the panel."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        del values["panel"]
        return json.dumps(values).encode() + b"\n" + self.panel

    @staticmethod
    def of_bytes(content: bytes) -> "Entry":
        """The entry that `as_bytes` wrote.

        Raises:
            ValueError: the bytes are not an entry.
        """
        line, _, panel = content.partition(b"\n")
        values = json.loads(line)
        if not isinstance(values, dict):
            raise ValueError("it is not an entry")
        return ENTRY.validate_python({**values, "panel": panel})


ENTRY = TypeAdapter(Entry)


class Outbox:
    """A folder of entries in the order of their numbers. One process at a time writes to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        numbers = [number for file in folder.rglob("*.entry") if (number := number_of(file))]
        self.last = max(numbers, default=0)

    def waiting(self) -> list[Path]:
        """Entries not yet delivered, oldest first."""
        return sorted((f for f in self.folder.glob("*.entry") if number_of(f)), key=number_of)

    def foreign_files(self) -> list[Path]:
        """Entry files that `put` did not name, such as copies made by hand."""
        return sorted(file for file in self.folder.glob("*.entry") if not number_of(file))

    def put(self, entry: Entry) -> Path:
        """Store an entry atomically."""
        self.last += 1
        file = self.folder / f"{self.last:09d}.entry"
        write_atomically(file, entry.as_bytes())
        return file

    def refuse(self, file: Path) -> Path:
        """Move an entry that can never be delivered to a folder where a person can inspect it."""
        aside = self.folder / "refused" / file.name
        while aside.exists():
            aside = aside.with_name(f"again {aside.name}")
        aside.parent.mkdir(exist_ok=True)
        return file.replace(aside)

    def remove_if_empty(self) -> None:
        """Remove the folder if it is empty."""
        if self.folder.exists() and not any(self.folder.iterdir()):
            self.folder.rmdir()


def number_of(file: Path) -> int:
    """An entry's sequence number; 0 if `put` did not give the file its name."""
    return int(file.stem) if re.fullmatch("[0-9]{9,}", file.stem) else 0
