"""Run a program whose processes all end when it ends, or the process that started it.

`guarded` starts a warden for it, a process that runs this file and imports nothing of the harness:

    python warden.py LIFELINE COMMAND...

LIFELINE is the file descriptor of the read end of a pipe. Only the parent has the write end, so the
warden reads end-of-file when the parent ends. On Linux the warden is a subreaper: it adopts orphans
of the program, whatever their session, and so finds all of its processes.
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
CANNOT_START = 127  # exit code, as in a shell
KILL_TIMEOUT = 30.0  # seconds for a warden to end all processes of its program

# Loaded before any fork: between fork and exec it would not be safe.
LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


@contextlib.contextmanager
def guarded(command: Sequence[str], **settings: Any) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a command under a warden; at the end of the block, all its processes are killed.

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
            warden.wait(KILL_TIMEOUT)
        except subprocess.TimeoutExpired:
            warden.kill()
            warden.wait()


def main() -> None:
    lifeline, command = int(sys.argv[1]), sys.argv[2:]
    if LIBC is not None:
        LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1)
    try:
        program = subprocess.Popen(command, start_new_session=True, preexec_fn=prepare_child)
    except OSError as error:
        print(f"{command[0]} cannot be started: {error.strerror}", flush=True)
        sys.exit(CANNOT_START)

    def request_end(*_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(program.pid, signal.SIGTERM)

    signal.signal(signal.SIGTERM, request_end)

    def watch() -> None:
        os.read(lifeline, 1)  # returns when the parent closes its end or ends itself
        end_all(program.pid)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    code = program.wait()
    end_all(program.pid)
    sys.exit(code if code >= 0 else 128 - code)


def end_all(group: int) -> None:
    """Kill all descendants of this process, and whatever is left of the program's group."""
    import psutil

    while descendants := psutil.Process().children(recursive=True):
        for descendant in descendants:
            with contextlib.suppress(psutil.NoSuchProcess):
                descendant.kill()
        psutil.wait_procs(descendants, timeout=1)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def prepare_child() -> None:
    """In the child, before exec: unblock the signals that workers block, and have the kernel kill
    the program if the warden is killed."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    if LIBC is not None:
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    main()
