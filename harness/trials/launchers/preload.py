"""Imports of the workers, done once by the fork server that they are forked from.

The fork server runs no other code of this project, because CUDA and torch's threads do not survive
a fork once they have started. (OpenBLAS's threads do: it handles forks itself.)
"""

import contextlib
import gc

from harness.trials.worker import die_with_parent, limit_spinning

die_with_parent()
limit_spinning()
# Imports create many objects and no garbage: the collector would take a quarter of the time.
gc.disable()
# If an import fails, the worker that needs the package reports it.
with contextlib.suppress(Exception):
    import lpips  # noqa: F401  # with torchvision, half of the import time

    import harness.trials.trial  # noqa: F401
# Imported objects live as long as the process: workers' collectors need not scan or copy them.
gc.freeze()
gc.enable()
