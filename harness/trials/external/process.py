"""Run an external program, and follow its training through its log and result files."""

import contextlib
import math
import os
import subprocess
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
from harness.trials.warden import TO_END, guarded

LOOK_EVERY = 0.1  # seconds between polls of the program's files
LAST_LINES = 3
MARK = "HARNESS_RUN"
"""Environment variable that identifies the processes of a run; its value is the run's folder."""

Judged = nn.Module | Tensor
"""What is scored: a generator, or restored pictures, float `[n, 3, h, w]` in [0, 1]."""


class ExternalError(HarnessError):
    """The program failed; the message contains its last lines of output."""


@dataclass(frozen=True)
class Followed:
    """A program that trains, and where to find its results. A mark is an epoch or a step.

    Attributes:
        name: its name in messages.
        run: its folder; any change in it is a sign of life.
        result: the path of the result at a mark.
        load: loads a result; raises HarnessError while it is partly written.
        log: the file with its losses.
        read_line: parses the mark and the losses in a log line; None if it has none.
        pass_by: called repeatedly with the next mark while waiting for it.
        at_end: whether its result counts only once the program has ended.
        silence: seconds without a sign of life after which it counts as hung.
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
    def output(self) -> Path:
        """The file with all its output."""
        return output_file(self.run)


def output_file(run: Path) -> Path:
    return run / "output.txt"


def follow(program: Followed, scored: Mapping[int, int], device: str) -> Iterator[Progress]:
    """Run a program that trains, and yield each of its results that is to be scored.

    A warden process runs it, and kills it with its child processes when the iterator is closed or
    this process ends. A checkpoint is removed once it is loaded.

    Args:
        scored: the trial's step at each mark that is scored, in order.

    Raises:
        ExternalError: it crashed, hung, or did not write a result.
        DivergedError: a loss in its log is not finite.
    """
    program.run.mkdir(parents=True, exist_ok=True)
    environment = {
        **os.environ,
        "CUDA_VISIBLE_DEVICES": visible_device(device),
        "OMP_NUM_THREADS": str(torch.get_num_threads()),
        MARK: str(program.run),
    }
    with (
        program.output.open("wb") as output,
        guarded(program.command, cwd=program.cwd, stdout=output, env=environment) as process,
    ):
        after = -1
        for mark, step in scored.items():
            judged = awaited(process, program, mark)
            yield Progress(step, judged, losses_between(program, after, mark))
            after = mark
        wait_for_end(process, program)


def awaited(process: "subprocess.Popen[bytes]", program: Followed, mark: int) -> Judged:
    """Wait for the complete result at a mark.

    Raises:
        DivergedError: its weights are not finite.
        ExternalError: the program ended or hung without it.
    """
    file = program.result(mark)
    # Polls are counted, not time, which also passes while this process is suspended.
    silent, sign = 0.0, signs_of_life(program.run)
    while True:
        # Polled before the file, so that a file written just before the end is not missed.
        code = process.poll()
        if file.exists() and (code is not None or not program.at_end):
            judged = loaded(file, program.load)
            if judged is not None:
                return judged
            if code == 0:
                return program.load(file)  # complete but invalid: raises the reason
        if code is not None:
            how = f"ended with exit code {code}" if code else f"ended without {file.name}"
            raise ExternalError(f"{program.name} {how}: {last_lines(program.output)}")
        program.pass_by(mark)
        if (now := signs_of_life(program.run)) != sign:
            silent, sign = 0.0, now
        if silent > program.silence:
            raise ExternalError(
                f"{program.name} hung: nothing new for {program.silence:.0f} s: "
                f"{last_lines(program.output)}"
            )
        time.sleep(LOOK_EVERY)
        silent += LOOK_EVERY


def loaded(file: Path, load: Callable[[Path], Judged]) -> Judged | None:
    """Load a result, and remove it if it is a checkpoint; None while it is partly written.

    Raises:
        DivergedError: it is complete, and its weights are not finite.
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
    """Wait for the program to exit after its last result."""
    silent = 0.0
    while (code := process.poll()) is None:
        if silent > program.silence:
            last = last_lines(program.output)
            raise ExternalError(f"{program.name} hung after its last result: {last}")
        time.sleep(LOOK_EVERY)
        silent += LOOK_EVERY
    if code:
        last = last_lines(program.output)
        raise ExternalError(f"{program.name} ended with exit code {code}: {last}")


def signs_of_life(run: Path) -> tuple[tuple[str, int, int], ...]:
    """Paths, sizes and times of all files in the run's folder, to detect changes."""
    found = []
    for folder, _, names in os.walk(run):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                stat = os.stat(file := os.path.join(folder, name))
                found.append((file, stat.st_size, stat.st_mtime_ns))
    return tuple(sorted(found))


def losses_between(program: Followed, after: int, until: int) -> dict[str, float]:
    """The mean of each loss over the log lines with `after` < mark <= `until`."""
    log = program.log
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    values: dict[str, list[float]] = {}
    for line in text.splitlines():
        found = program.read_line(line)
        if found and after < found[0] <= until:
            for name, value in found[1].items():
                values.setdefault(name, []).append(as_number(value, line))
    bad = {name: v for name, series in values.items() for v in series if not math.isfinite(v)}
    if bad:
        listed = ", ".join(f"{name} {value}" for name, value in bad.items())
        raise DivergedError(f"a loss is no longer finite ({listed})")
    return {name: sum(series) / len(series) for name, series in values.items()}


def as_number(value: str, line: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise ExternalError(f"its log has {value}, which is no loss, in: {line}") from None


def last_lines(output: Path) -> str:
    """The last lines of the program's output, joined to one line."""
    lines = output.read_text(encoding="utf-8", errors="replace").splitlines()
    last = [line.strip() for line in lines if line.strip()][-LAST_LINES:]
    return " | ".join(last) or "it printed nothing"


def end_left_over(run: Path) -> None:
    """Kill processes that an earlier trial in this folder left, if its warden was killed too."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):  # processes of other users, or already ended
            if process.environ().get(MARK) == str(run):
                process.kill()
                found.append(process)
    psutil.wait_procs(found, timeout=TO_END)
