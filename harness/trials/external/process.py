"""Another program's training, followed by its files: its log, and what it leaves to be scored."""

import contextlib
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch
from torch import Tensor, nn

from harness.errors import DivergedError, HarnessError
from harness.training.loop import Progress
from harness.trials.devices import visible_device
from harness.trials.external import warden

LOOK_EVERY = 0.1  # seconds between two looks at the program's files
LAST_LINES = 3
TO_END = 30.0  # seconds that a warden is given to end all that it watches over
MARK = "HARNESS_RUN"
"""The environment variable by which what was started for a run is known; it holds its folder."""

Judged = nn.Module | Tensor
"""A generator, or pictures that one restored: float `[n, 3, h, w]` in [0, 1]."""


class ExternalError(HarnessError):
    """The program ended in another way than it should; the message holds its last lines."""


@dataclass(frozen=True)
class Followed:
    """A program that trains, and where it leaves what is read off it.

    Attributes:
        name: what messages call it.
        run: its folder; whatever changes there is a sign of life.
        result: where it leaves what is scored at a mark, an epoch or a step.
        load: reads such a result; a HarnessError while that is half written.
        log: the file with its losses.
        read_line: the mark and the losses of a line of it; None where a line holds none.
        pass_by: told of every mark that is waited for, over and over, until it is there.
        at_end: its result counts only when the program has ended.
        silence: seconds without a sign of life after which it is hung.
    """

    name: str
    command: Sequence[str]
    cwd: Path
    run: Path
    result: Callable[[int], Path]
    load: Callable[[Path], Judged]
    log: Path
    read_line: Callable[[str], tuple[int, Mapping[str, str]] | None]
    silence: float
    pass_by: Callable[[int], None] = lambda mark: None
    at_end: bool = False

    @property
    def said(self) -> Path:
        """Everything that it prints."""
        return said_in(self.run)


def said_in(run: Path) -> Path:
    return run / "output.txt"


def follow(program: Followed, scored: Mapping[int, int], device: str) -> Iterator[Progress]:
    """Run a program that trains, and pause at each of its results that is to be scored.

    A warden runs it, which ends it with all that it started when the iterator is closed and when
    this process ends, however that ends. A checkpoint is removed once it is loaded.

    Args:
        scored: the trial's step at each mark that is scored, in order.

    Raises:
        ExternalError: it crashed, hung, or left out a result.
        DivergedError: a loss of its log is not finite.
    """
    program.run.mkdir(parents=True, exist_ok=True)
    with started(program, device) as process:
        after = -1
        for mark, step in scored.items():
            judged = awaited(process, program, mark)
            yield Progress(step, judged, losses_between(program, after, mark))
            after = mark
        wait_for_end(process, program)


@contextlib.contextmanager
def started(program: Followed, device: str) -> Iterator["subprocess.Popen[bytes]"]:
    """The program's warden; after the block neither it nor anything of the program is left."""
    reading, lifeline = os.pipe()
    try:
        with program.said.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-P", warden.__file__, str(reading), *program.command],
                cwd=program.cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={
                    **os.environ,
                    "CUDA_VISIBLE_DEVICES": visible_device(device),
                    "OMP_NUM_THREADS": str(torch.get_num_threads()),
                    MARK: str(program.run),
                },
                start_new_session=True,
                pass_fds=[reading],
            )
    except BaseException:
        os.close(lifeline)
        raise
    finally:
        os.close(reading)
    try:
        yield process
    finally:
        os.close(lifeline)
        end(process)


def awaited(process: "subprocess.Popen[bytes]", program: Followed, mark: int) -> Judged:
    """The result at that mark, as soon as it is whole.

    Raises:
        DivergedError: its weights are not finite.
        ExternalError: the program ended, or fell silent, without it.
    """
    file = program.result(mark)
    # Looks are counted, not time: what passes while this process is stopped is nobody's silence.
    silent, sign = 0.0, signs_of_life(program.run)
    while True:
        # Looked at before the file: what it wrote before it ended is then seen.
        code = process.poll()
        if file.exists() and (code is not None or not program.at_end):
            judged = loaded(file, program.load)
            if judged is not None:
                return judged
            if code == 0:
                return program.load(file)  # whole, and yet not to be loaded: that says why
        if code is not None:
            what = f"ended with exit code {code}" if code else f"ended without {file.name}"
            raise ExternalError(f"{program.name} {what}: {last_lines(program.said)}")
        program.pass_by(mark)
        if (now := signs_of_life(program.run)) != sign:
            silent, sign = 0.0, now
        if silent > program.silence:
            raise ExternalError(
                f"{program.name} hung: nothing new for {program.silence:.0f} s: "
                f"{last_lines(program.said)}"
            )
        time.sleep(LOOK_EVERY)
        silent += LOOK_EVERY


def loaded(file: Path, load: Callable[[Path], Judged]) -> Judged | None:
    """What a result holds, a checkpoint then removed; None while it is half written.

    Raises:
        DivergedError: it is whole, and its weights are not finite.
    """
    try:
        judged = load(file)
    except DivergedError:
        raise
    except HarnessError:
        return None
    if file.is_file():
        file.unlink()
    return judged


def wait_for_end(process: "subprocess.Popen[bytes]", program: Followed) -> None:
    """Let the program put its things in order after its last result.

    Raises:
        ExternalError: it does not end, or ends with an error.
    """
    silent = 0.0
    while (code := process.poll()) is None:
        if silent > program.silence:
            last = last_lines(program.said)
            raise ExternalError(f"{program.name} hung after its last result: {last}")
        time.sleep(LOOK_EVERY)
        silent += LOOK_EVERY
    if code:
        last = last_lines(program.said)
        raise ExternalError(f"{program.name} ended with exit code {code}: {last}")


def signs_of_life(run: Path) -> tuple[tuple[str, int, int], ...]:
    """Names, sizes and times of everything in the run's folder, which change as it works."""
    found = []
    for folder, _, names in os.walk(run):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                facts = os.stat(file := os.path.join(folder, name))
                found.append((file, facts.st_size, facts.st_mtime_ns))
    return tuple(sorted(found))


def losses_between(program: Followed, after: int, until: int) -> dict[str, float]:
    """Each loss's mean over the log's lines of the marks `after` < mark <= `until`.

    Raises:
        DivergedError: one of them is not finite.
        ExternalError: one of them is no number.
    """
    log = program.log
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    values: dict[str, list[float]] = {}
    for line in text.splitlines():
        found = program.read_line(line)
        if found and after < found[0] <= until:
            for name, value in found[1].items():
                values.setdefault(name, []).append(as_number(value, line))
    bad = {name: v for name, held in values.items() for v in held if not math.isfinite(v)}
    if bad:
        told = ", ".join(f"{name} {value}" for name, value in bad.items())
        raise DivergedError(f"a loss is no longer finite ({told})")
    return {name: sum(held) / len(held) for name, held in values.items()}


def as_number(value: str, line: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise ExternalError(f"its log has {value}, which is no loss, in: {line}") from None


def last_lines(said: Path) -> str:
    """The end of what the program printed, on one line."""
    lines = said.read_text(encoding="utf-8", errors="replace").splitlines()
    kept = [line.strip() for line in lines if line.strip()][-LAST_LINES:]
    return " | ".join(kept) or "it printed nothing"


def end(process: "subprocess.Popen[bytes]") -> None:
    """Wait until a warden that has lost its lifeline has ended the program and all it started."""
    try:
        process.wait(TO_END)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def end_left_over(run: Path) -> None:
    """End what an earlier trial in this folder left behind, where even its warden was killed."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):  # others' processes, and such as have just ended
            if process.environ().get(MARK) == str(run):
                process.kill()
                found.append(process)
    psutil.wait_procs(found, timeout=TO_END)
