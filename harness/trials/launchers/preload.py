"""What workers begin with, imported once by the process that they are forked from.

`multiprocessing`'s fork server imports this file, and runs nothing else of ours: neither CUDA nor
torch's threads, once they have begun, survive a fork. (OpenBLAS's do; it sees to that.)
"""

import contextlib
import gc
import signal

from harness.trials.worker import die_with_parent, spin_shortly

signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the driver's to handle
die_with_parent()
spin_shortly()
# Packages make many objects and no garbage: a quarter of the time would go into looking for it.
gc.disable()
# A package that cannot be imported is told of by the worker that needs it.
with contextlib.suppress(Exception):
    import lpips  # noqa: F401  # with torchvision: half of the time

    import harness.trials.trial  # noqa: F401
# What is imported stays: a worker's collector need not walk through it, nor copy its pages.
gc.freeze()
gc.enable()
