"""Run a program whose processes all end when it ends, or the process that started it.

`guarded` starts a warden for it, a process that runs this file and imports nothing of the harness:

    python warden.py LIFELINE COMMAND...

LIFELINE is the file descriptor of the reading end of a pipe whose writing end only the parent has.
On Linux a warden is a subreaper: orphans of the program become its children, whatever their
session, so all are found.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import Any

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
CANNOT_START = 127  # exit code, as of a shell
TO_END = 30.0  # seconds for a warden to end all processes of its program

# Looked up before any fork.
LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


@contextlib.contextmanager
def guarded(command: Sequence[str], **settings: Any) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a command under a warden; at the end of the block all its processes are ended.

    SIGTERM to the warden asks them to end by themselves.

    Args:
        settings: further arguments of `subprocess.Popen`.
    """
    reading, lifeline = os.pipe()
    try:
        warden = subprocess.Popen(
            [sys.executable, "-P", __file__, str(reading), *command],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=[reading],
            **settings,
        )
    except BaseException:
        os.close(lifeline)
        raise
    finally:
        os.close(reading)
    try:
        yield warden
    finally:
        os.close(lifeline)
        try:
            warden.wait(TO_END)
        except subprocess.TimeoutExpired:
            warden.kill()
            warden.wait()


def main() -> None:
    lifeline, command = int(sys.argv[1]), sys.argv[2:]
    if LIBC is not None:
        LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1)
    try:
        program = subprocess.Popen(command, start_new_session=True, preexec_fn=before_it_starts)
    except OSError as error:
        print(f"{command[0]} cannot be started: {error.strerror}", flush=True)
        sys.exit(CANNOT_START)

    def ask(*_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(program.pid, signal.SIGTERM)

    signal.signal(signal.SIGTERM, ask)

    def watch() -> None:
        os.read(lifeline, 1)  # returns when the parent closes it or ends
        end_all(program.pid)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    code = program.wait()
    end_all(program.pid)
    sys.exit(code if code >= 0 else 128 - code)


def end_all(group: int) -> None:
    """Kill all descendants of this process, and what is left of the program's group."""
    import psutil

    while found := psutil.Process().children(recursive=True):
        for process in found:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(found, timeout=1)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def before_it_starts() -> None:
    """In the child, before exec: let the program have the signals that workers block, and let the
    kernel kill it if this process is killed."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    if LIBC is not None:
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    main()
