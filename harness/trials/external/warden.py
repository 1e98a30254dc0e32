"""Runs a program, and ends all that it started when it ends, or when whoever started this ends.

    python warden.py LIFELINE COMMAND...

LIFELINE is the number of the reading end of a pipe whose other end nobody but the parent holds. On
Linux, processes of the program's that lose their parent become this one's children, whatever their
session: all are found. Run as a file, it imports nothing of ours.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
CANNOT_START = 127  # as a shell says it

# Looked up before any fork.
LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def main() -> None:
    lifeline, command = int(sys.argv[1]), sys.argv[2:]
    if LIBC is not None:
        LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1)
    try:
        program = subprocess.Popen(command, start_new_session=True, preexec_fn=end_with_parent)
    except OSError as error:
        print(f"{command[0]} cannot be started: {error.strerror}", flush=True)
        sys.exit(CANNOT_START)

    def watch() -> None:
        os.read(lifeline, 1)  # returns when the parent closes it, or is no more
        end_all(program.pid)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    code = program.wait()
    end_all(program.pid)
    sys.exit(code if code >= 0 else 128 - code)


def end_all(group: int) -> None:
    """End every process under this one, and what is left of the program's group."""
    import psutil

    while found := psutil.Process().children(recursive=True):
        for process in found:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(found, timeout=1)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def end_with_parent() -> None:
    """In the child, before the program begins: it does not outlive even a warden that is killed."""
    if LIBC is not None:
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    main()
