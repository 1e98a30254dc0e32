"""What a mirror is to be told, kept in a folder until it has been told.

An entry is a file, so that nothing is lost with the process that made it: whoever opens the folder
next delivers what the one before could not.
"""

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from pydantic import TypeAdapter

from harness.paths import write_aside


def now() -> int:
    """Milliseconds since 1970, as MLflow counts them."""
    return int(time.time() * 1000)


@dataclass(frozen=True)
class Entry:
    """What one run is to hold more of.

    Attributes:
        run: whose: a trial's name, as `t037`.
        title: of a run that begins here, or begins again.
        status: MLflow's word, where it changes.
        metrics: values at `step`.
        panel: PNG bytes of the picture at `step`, or none.
        at: when it happened, in milliseconds since 1970; told late, it is still of that moment.
    """

    run: str
    title: str = ""
    status: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    step: int = 0
    at: int = field(default_factory=now)
    panel: bytes = field(default=b"", repr=False)

    def as_bytes(self) -> bytes:
        """A line of JSON, then the panel as it is."""
        said = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "panel"}
        return json.dumps(said).encode() + b"\n" + self.panel

    @staticmethod
    def of_bytes(held: bytes) -> "Entry":
        """The entry that `as_bytes` wrote.

        Raises:
            ValueError: the bytes are none.
        """
        said, _, panel = held.partition(b"\n")
        fields_there = json.loads(said)
        if not isinstance(fields_there, dict):
            raise ValueError("it is not an entry")
        return ENTRY.validate_python({**fields_there, "panel": panel})


ENTRY = TypeAdapter(Entry)


class Outbox:
    """A folder of entries in the order of their numbers. One process at a time writes to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        numbers = [number for file in folder.rglob("*.entry") if (number := number_of(file))]
        self.last = max(numbers, default=0)

    def waiting(self) -> list[Path]:
        """What has not been delivered, the oldest first."""
        return sorted((f for f in self.folder.glob("*.entry") if number_of(f)), key=number_of)

    def strangers(self) -> list[Path]:
        """Files that look like entries and were put here by somebody else, such as copies."""
        return sorted(file for file in self.folder.glob("*.entry") if not number_of(file))

    def put(self, entry: Entry) -> Path:
        """Keep an entry, whole or not at all."""
        self.last += 1
        file = self.folder / f"{self.last:09d}.entry"
        with write_aside(file) as aside:
            aside.write_bytes(entry.as_bytes())
        return file

    def refuse(self, file: Path) -> Path:
        """Set an entry aside that can never be delivered; it is still there for a person."""
        aside = self.folder / "refused" / file.name
        while aside.exists():
            aside = aside.with_name(f"again {aside.name}")
        aside.parent.mkdir(exist_ok=True)
        return file.replace(aside)

    def tidy(self) -> None:
        """An outbox that is empty need not be there."""
        if self.folder.exists() and not any(self.folder.iterdir()):
            self.folder.rmdir()


def number_of(file: Path) -> int:
    """An entry's place in the order; 0 where the name is none that `put` gives."""
    return int(file.stem) if re.fullmatch("[0-9]{9,}", file.stem) else 0
