"""Run a command that is killed, with its child processes, when the parent process ends.

Run this file by its path. The parent keeps the other end of this process's standard input open and
starts it in a process group of its own.
"""

import os
import signal
import subprocess
import sys
import threading


def end_with_parent() -> None:
    """Wait until standard input closes, as it does with the parent, and kill the process group."""
    os.read(0, 1)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    # The command gets the signal too; this process ends once the command has shut down.
    signal.signal(signal.SIGTERM, lambda *_: None)
    threading.Thread(target=end_with_parent, daemon=True).start()
    sys.exit(subprocess.call(sys.argv[1:], stdin=subprocess.DEVNULL))
