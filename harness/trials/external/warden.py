"""Run a program, and kill all its child processes when it ends or when this process's parent ends.

    python warden.py LIFELINE COMMAND...

LIFELINE is the file descriptor of the reading end of a pipe whose writing end only the parent has.
On Linux this process is a subreaper: orphans of the program become its children, whatever their
session, so all are found. It runs as a file, and imports nothing of the harness.
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
CANNOT_START = 127  # exit code, as of a shell

# Looked up before any fork.
LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def main() -> None:
    lifeline, command = int(sys.argv[1]), sys.argv[2:]
    if LIBC is not None:
        LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1)
    try:
        program = subprocess.Popen(command, start_new_session=True, preexec_fn=before_it_starts)
    except OSError as error:
        print(f"{command[0]} cannot be started: {error.strerror}", flush=True)
        sys.exit(CANNOT_START)

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
