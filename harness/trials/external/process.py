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
from harness.trials.warden import KILL_TIMEOUT, guarded

POLL_INTERVAL = 0.1  # seconds between polls of the program's files
LAST_LINES = 3
MARK = "HARNESS_RUN"
"""Environment variable that identifies the processes of a run; its value is the run's folder."""

Candidate = nn.Module | Tensor
"""What is scored: a generator, or restored pictures, float `[n, 3, h, w]` in [0, 1]."""


class ExternalError(HarnessError):
    """The program failed; the message contains its last lines of output."""


@dataclass(frozen=True)
class ProgramRun:
    """A run of a program that trains, and where to find its results.

    A mark is the number of an epoch or step, by which the program numbers results and log lines.

    Attributes:
        name: the program's name in messages.
        run: the run's folder; any change in it is a sign of life.
        result: returns the path of the result at a mark.
        load: loads a result; raises HarnessError while it is partly written.
        log: the file with the losses.
        read_line: parses the mark and the losses in a log line; None if it has none.
        on_wait: called repeatedly with the next mark while waiting for its result.
        at_end: whether a result counts only once the program has ended.
        silence: seconds without a sign of life after which the program counts as hung.
    """

    name: str
    command: Sequence[str]
    cwd: Path
    run: Path
    result: Callable[[int], Path]
    load: Callable[[Path], Candidate]
    log: Path
    read_line: Callable[[str], tuple[int, Mapping[str, str]] | None]
    silence: float
    on_wait: Callable[[int], None] = lambda mark: None
    at_end: bool = False

    @property
    def output(self) -> Path:
        """The file with everything the program prints."""
        return output_file(self.run)


def output_file(run: Path) -> Path:
    return run / "output.txt"


def follow(program: ProgramRun, scored: Mapping[int, int], device: str) -> Iterator[Progress]:
    """Run a program that trains, and yield each of its results that is to be scored.

    A warden process runs it, and kills it with all its child processes when the iterator is closed
    or this process ends. A checkpoint is removed once it has been loaded.

    Args:
        scored: the marks that are scored, in order, and the trial's step at each.

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
            candidate = wait_for_result(process, program, mark)
            yield Progress(step, candidate, losses_between(program, after, mark))
            after = mark
        wait_for_end(process, program)


def wait_for_result(
    process: "subprocess.Popen[bytes]", program: ProgramRun, mark: int
) -> Candidate:
    """Wait for the complete result at a mark.

    Raises:
        DivergedError: its weights are not finite.
        ExternalError: the program ended or hung without it.
    """
    file = program.result(mark)
    # Count polls rather than time, which also passes while this process is suspended.
    silent, sign = 0.0, signs_of_life(program.run)
    while True:
        # Poll before looking for the file, so as not to miss one written just before the end.
        code = process.poll()
        if file.exists() and (code is not None or not program.at_end):
            candidate = try_load(file, program.load)
            if candidate is not None:
                return candidate
            if code == 0:
                return program.load(file)  # complete but invalid: raises an error with the reason
        if code is not None:
            how = f"ended with exit code {code}" if code else f"ended without {file.name}"
            raise ExternalError(f"{program.name} {how}: {last_lines(program.output)}")
        program.on_wait(mark)
        if (now := signs_of_life(program.run)) != sign:
            silent, sign = 0.0, now
        if silent > program.silence:
            raise ExternalError(
                f"{program.name} hung: nothing new for {program.silence:.0f} s: "
                f"{last_lines(program.output)}"
            )
        time.sleep(POLL_INTERVAL)
        silent += POLL_INTERVAL


def try_load(file: Path, load: Callable[[Path], Candidate]) -> Candidate | None:
    """Load a result, and remove it if it is a checkpoint; None while it is partly written.

    Raises:
        DivergedError: its weights are not finite.
    """
    try:
        candidate = load(file)
    except DivergedError:
        raise
    except HarnessError:
        return None
    if file.is_file():
        file.unlink()
    return candidate


def wait_for_end(process: "subprocess.Popen[bytes]", program: ProgramRun) -> None:
    """Wait for the program to exit after its last result.

    Raises:
        ExternalError: it hung, or ended with an error.
    """
    silent = 0.0
    while (code := process.poll()) is None:
        if silent > program.silence:
            last = last_lines(program.output)
            raise ExternalError(f"{program.name} hung after its last result: {last}")
        time.sleep(POLL_INTERVAL)
        silent += POLL_INTERVAL
    if code:
        last = last_lines(program.output)
        raise ExternalError(f"{program.name} ended with exit code {code}: {last}")


def signs_of_life(run: Path) -> tuple[tuple[str, int, int], ...]:
    """Paths, sizes and modification times of all files in the run's folder, to detect changes."""
    files = []
    for folder, _, names in os.walk(run):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                stat = os.stat(file := os.path.join(folder, name))
                files.append((file, stat.st_size, stat.st_mtime_ns))
    return tuple(sorted(files))


def losses_between(program: ProgramRun, after: int, until: int) -> dict[str, float]:
    """The mean of each loss over the log lines with `after` < mark <= `until`.

    Raises:
        DivergedError: a loss is not finite.
        ExternalError: a loss is not a number.
    """
    log = program.log
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    values: dict[str, list[float]] = {}
    for line in text.splitlines():
        parsed = program.read_line(line)
        if parsed and after < parsed[0] <= until:
            for name, value in parsed[1].items():
                values.setdefault(name, []).append(parse_loss(value, line))
    bad = {name: v for name, series in values.items() for v in series if not math.isfinite(v)}
    if bad:
        listed = ", ".join(f"{name} {value}" for name, value in bad.items())
        raise DivergedError(f"a loss is no longer finite ({listed})")
    return {name: sum(series) / len(series) for name, series in values.items()}


def parse_loss(value: str, line: str) -> float:
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
    processes = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):  # processes of other users, or already ended
            if process.environ().get(MARK) == str(run):
                process.kill()
                processes.append(process)
    psutil.wait_procs(processes, timeout=KILL_TIMEOUT)
