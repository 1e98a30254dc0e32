"""Everything that a GPU is needed for, in one call that ends in time: tests, a search, rates.

    python -m benchmarks.gpu --out DIR [--minutes 9] [--parts search,plain]

Every line is printed and written to `DIR/gpu.jsonl` at once, the most telling first; at the end
`DIR/gpu_CARD.json` has them with the machine, `DIR/table.txt` the table, and `DIR/best.yaml` is
what the search found. Each part has its share of the minutes, and what those before it left over. A
part that takes longer, or crashes, is ended and named, and the others go on in a new process. What
the parts measure is said in `benchmarks.gpu_parts`.

Where no GPU is, or with `--rehearse`, the same script runs in tiny sizes on a pretended one: the
script itself is then known to work; its figures mean nothing. Where minutes are left afterwards:

    python -m benchmarks.evidence --profile standard --settings 16 --times 4 --jobs 1
"""

import argparse
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from benchmarks.gpu_table import table
from benchmarks.scaffold import as_text

# In this order. The numbers are shares of the minutes: what each part took on an H200, in seconds.
# Only the search took more, six minutes; in less it confirms the winner of fewer trials.
PARTS = {
    "machine": 6,
    "tests": 36,
    "search": 320,
    "rates": 72,
    "loop": 18,
    "kernels": 4,
    "streams": 11,
    "processes": 22,
    "mps": 26,
    "plain": 58,
    "ceilings": 8,
}
RESERVE = 5.0  # seconds for the table and for ending processes

Row = dict[str, Any]


@dataclass
class Results:
    """The rows so far, each printed and written as soon as it is there."""

    folder: Path
    began: float = field(default_factory=time.monotonic)
    rows: list[Row] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.lines = self.folder / "gpu.jsonl"
        self.lines.write_text("", encoding="utf-8")

    def add(self, row: Row) -> None:
        row = {"at": round(time.monotonic() - self.began, 1), **row}
        self.rows.append(row)
        line = json.dumps(row)
        print(line, flush=True)
        with self.lines.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def finish(self) -> None:
        """Write everything as one file named after the card, and the table."""
        machine: Row = next((row for row in self.rows if row.get("part") == "machine"), {})
        card = re.sub(r"\W+", "_", str(machine.get("device", "unknown"))).strip("_")
        whole = as_text({"machine": machine, "rows": self.rows})
        (self.folder / f"gpu_{card}.json").write_text(whole, encoding="utf-8")
        text = table(self.rows)
        (self.folder / "table.txt").write_text(text + "\n", encoding="utf-8")
        print(text, flush=True)


def deadlines(names: Sequence[str], began: float, minutes: float) -> dict[str, float]:
    """When each part must have ended, in `time.time()`: all get the time of `minutes` together."""
    whole = sum(PARTS[name] for name in names)
    left = max(0.0, minutes * 60 - RESERVE)
    ends, done = {}, 0
    for name in names:
        done += PARTS[name]
        ends[name] = began + left * done / whole
    return ends


def run(command: Sequence[str], ends: dict[str, float], results: Results) -> None:
    """Run the parts in one process; after a failure or a delay, those behind it in another."""
    waiting = list(ends)
    while waiting:
        given = [f"{name}:{ends[name]}" for name in waiting]
        process = subprocess.Popen(
            [*command, *given],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        try:
            reason = follow(process, waiting, ends, results)
        finally:
            end(process)
        if waiting and reason:
            results.add({"part": waiting.pop(0), "left_out": reason})


def follow(
    process: "subprocess.Popen[str]",
    waiting: list[str],
    ends: dict[str, float],
    results: Results,
) -> str:
    """Take the rows of a process until it ends or its part is late; returns what went wrong.

    Args:
        waiting: the parts still to end, of which those that have ended are removed.
    """
    assert process.stdout is not None
    lines = read_aside(process.stdout)
    while waiting:
        name = waiting[0]
        line: str | None = None
        left = ends[name] - time.time()
        try:
            if left > 0:
                line = lines.get(timeout=left)
        except queue.Empty:
            left = 0.0
        if left <= 0:
            return "its time was over"
        if line is None:
            return f"the process ended with code {process.wait()}"
        row = parsed(line)
        if row is None:
            results.add({"part": name, "output": line})
        elif row.get("ended") == name:
            waiting.pop(0)
            results.add({"part": name, "seconds": row["seconds"]})
        else:
            results.add({"part": name, **row})
    return ""


def read_aside(stream: IO[str]) -> "queue.SimpleQueue[str | None]":
    """The lines of a stream as they come, and None at its end."""
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def read() -> None:
        for line in stream:
            lines.put(line.rstrip())
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    return lines


def parsed(line: str) -> Row | None:
    """A row; None for any other output, such as a library's warning."""
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None


def end(process: "subprocess.Popen[str]") -> None:
    """End a process and all that it started."""
    for each in (*descendants(process.pid), process.pid):
        try:
            os.kill(each, signal.SIGKILL)
        except ProcessLookupError:
            continue
    process.wait()


def descendants(pid: int) -> Iterator[int]:
    """The children of a process and theirs, also those with a session of their own."""
    import psutil

    try:
        found = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return
    for child in found:
        yield child.pid


def chosen(text: str) -> list[str]:
    """The parts of `--parts`, in the order in which they run.

    Raises:
        ValueError: one of them is unknown.
    """
    asked = text.split(",") if text else list(PARTS)
    if unknown := sorted(set(asked) - set(PARTS)):
        raise ValueError(f"{unknown[0]} is no part: choose from {', '.join(PARTS)}")
    return [name for name in PARTS if name in asked or name == "machine"]


def main(given: Sequence[str] | None = None) -> None:
    began = time.time()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--parts", default="", help=", ".join(PARTS))
    parser.add_argument("--rehearse", action="store_true", help="tiny, on a pretended GPU")
    asked = parser.parse_args(given)
    try:
        ends = deadlines(chosen(asked.parts), began, asked.minutes)
    except ValueError as error:
        parser.error(str(error))
    results = Results(asked.out)
    # The search's databases are too large to bring along, and no result.
    work = Path(tempfile.mkdtemp(prefix="gpu-"))
    # Not with -m: the processes that a part starts would each import that module again.
    command = [sys.executable, "-c", "from benchmarks.gpu_parts import main; main()"]
    command += ["--out", str(asked.out.absolute())]
    command += ["--work", str(work), *(["--rehearse"] if asked.rehearse else [])]
    try:
        run(command, ends, results)
    finally:
        results.finish()
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
