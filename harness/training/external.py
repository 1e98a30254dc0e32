"""Another program's training, followed by its files: pix2pix's loss log and checkpoints."""

import contextlib
import ctypes
import math
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import torch
from torch import nn

from harness.errors import DivergedError, HarnessError
from harness.training.loop import Progress

# Looked up before any fork: a child of a process with threads must not load libraries.
LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
PR_SET_PDEATHSIG = 1
LOOK_EVERY = 0.1  # seconds between two looks at the program's files
LAST_LINES = 3
LOG_LINE = re.compile(r"\(epoch: (\d+), .*?\)(.*)")
LOSS = re.compile(r"(\w+): ([-+\w.]+)")


class ExternalError(HarnessError):
    """The program ended in another way than it should; the message holds its last lines."""


def follow(
    command: list[str],
    cwd: Path,
    run: Path,
    scored: Mapping[int, int],
    load: Callable[[Path], nn.Module],
    device: str,
    silence: float,
) -> Iterator[Progress]:
    """Run a train.py, and pause at each of its checkpoints that is to be scored.

    The program has a process group of its own, which is killed whole when the iterator is closed
    and when this process ends. Its checkpoints are removed once they are loaded.

    Args:
        run: its run folder, where `loss_log.txt` and `N_net_G.pth` appear.
        scored: the trial's step at each epoch that is scored, in order.
        load: a generator from its checkpoint; a HarnessError while that is half written.
        silence: seconds without a new line or checkpoint after which it is hung.

    Raises:
        ExternalError: it crashed, hung, or left out a checkpoint.
        DivergedError: a loss of its log is not finite.
    """
    run.mkdir(parents=True, exist_ok=True)
    said = run / "output.txt"
    with said.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={
                **os.environ,
                "CUDA_VISIBLE_DEVICES": visible(device),
                "OMP_NUM_THREADS": str(torch.get_num_threads()),
            },
            start_new_session=True,
            preexec_fn=end_with_parent,
        )
    try:
        after = 0
        for epoch, step in scored.items():
            generator = awaited(process, run, epoch, load, silence, said)
            yield Progress(step, generator, losses_between(run, after, epoch))
            after = epoch
        wait_for_end(process, said, silence)
    finally:
        kill_group(process)
        for file in run.glob("*.pth"):
            file.unlink()


def awaited(
    process: "subprocess.Popen[bytes]",
    run: Path,
    epoch: int,
    load: Callable[[Path], nn.Module],
    silence: float,
    said: Path,
) -> nn.Module:
    """The generator of that epoch, as soon as it is whole.

    Raises:
        ExternalError: the program ended, or fell silent, without it.
    """
    file = run / f"{epoch}_net_G.pth"
    heard, sign = time.monotonic(), signs_of_life(run)
    while True:
        # Looked at before the file: what it wrote before it ended is then seen.
        code = process.poll()
        if file.exists() and (generator := loaded(file, load)) is not None:
            return generator
        if code == 0 and file.exists():
            return load(file)  # whole, and yet not to be loaded: that says why
        if code is not None:
            what = f"ended with exit code {code}" if code else f"ended without {file.name}"
            raise ExternalError(f"train.py {what}: {last_lines(said)}")
        drop_before(run, epoch)
        if (now := signs_of_life(run)) != sign:
            heard, sign = time.monotonic(), now
        if time.monotonic() - heard > silence:
            raise ExternalError(
                f"train.py hung: nothing new for {silence:.0f} s: {last_lines(said)}"
            )
        time.sleep(LOOK_EVERY)


def drop_before(run: Path, epoch: int) -> None:
    """Remove the checkpoints of earlier epochs, which nobody waits for: they fill the disk."""
    for file in run.glob("*_net_?.pth"):
        number = file.name.partition("_")[0]
        if number.isdecimal() and int(number) < epoch:
            file.unlink()


def loaded(file: Path, load: Callable[[Path], nn.Module]) -> nn.Module | None:
    """The generator of a checkpoint; None while it is half written."""
    try:
        return load(file)
    except HarnessError:
        return None


def wait_for_end(process: "subprocess.Popen[bytes]", said: Path, silence: float) -> None:
    """Let the program put its things in order after its last checkpoint.

    Raises:
        ExternalError: it does not end, or ends with an error.
    """
    try:
        code = process.wait(silence)
    except subprocess.TimeoutExpired:
        raise ExternalError(f"train.py hung after its last epoch: {last_lines(said)}") from None
    if code:
        raise ExternalError(f"train.py ended with exit code {code}: {last_lines(said)}")


def signs_of_life(run: Path) -> tuple[tuple[str, int, int], ...]:
    """Names, sizes and times of everything in the run's folder, which change as it works."""
    found = []
    for entry in os.scandir(run):
        facts = entry.stat()
        found.append((entry.name, facts.st_size, facts.st_mtime_ns))
    return tuple(sorted(found))


def losses_between(run: Path, after: int, until: int) -> dict[str, float]:
    """Each loss's mean over the log's lines of the epochs `after` < epoch <= `until`.

    Raises:
        DivergedError: one of them is not finite.
    """
    log = run / "loss_log.txt"
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    values: dict[str, list[float]] = {}
    for line in text.splitlines():
        found = LOG_LINE.search(line)
        if found and after < int(found[1]) <= until:
            for name, value in LOSS.findall(found[2]):
                values.setdefault(name, []).append(float(value))
    bad = {name: v for name, held in values.items() for v in held if not math.isfinite(v)}
    if bad:
        told = ", ".join(f"{name} {value}" for name, value in bad.items())
        raise DivergedError(f"a loss is no longer finite ({told})")
    return {name: sum(held) / len(held) for name, held in values.items()}


def last_lines(said: Path) -> str:
    """The end of what the program printed, on one line."""
    lines = said.read_text(encoding="utf-8", errors="replace").splitlines()
    kept = [line.strip() for line in lines if line.strip()][-LAST_LINES:]
    return " | ".join(kept) or "it printed nothing"


def kill_group(process: "subprocess.Popen[bytes]") -> None:
    """End the program and all that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def visible(device: str) -> str:
    """`CUDA_VISIBLE_DEVICES` for a program that is to see this device alone."""
    kind, _, index = device.partition(":")
    return "" if kind == "cpu" else index or "0"


def end_with_parent() -> None:
    """In the child, before the program begins: Linux kills it when its parent dies."""
    if LIBC is not None:
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
