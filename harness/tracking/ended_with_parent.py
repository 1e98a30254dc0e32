"""Runs a command that ends, with all that it started, when its parent does, however that ends.

Run as a file, by its path: the parent holds the other end of this process's standard input, and
gives it a process group of its own.
"""

import os
import signal
import subprocess
import sys
import threading


def end_with_parent() -> None:
    """Wait for the end of standard input, which is the parent's, and kill the whole group."""
    os.read(0, 1)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    # The command hears of it too, and ends in its own time; so does this process then.
    signal.signal(signal.SIGTERM, lambda *_: None)
    threading.Thread(target=end_with_parent, daemon=True).start()
    sys.exit(subprocess.call(sys.argv[1:], stdin=subprocess.DEVNULL))
