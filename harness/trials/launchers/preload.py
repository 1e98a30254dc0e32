"""The imports that workers need, done once by the fork server from which they are forked.

The fork server runs no other code of this project, because CUDA and torch's threads do not survive
a fork once they have started. (OpenBLAS's threads do: it handles forks itself.)
"""

import contextlib
import gc

from harness.trials.worker import die_with_parent, limit_spinning

die_with_parent()
limit_spinning()
# Imports create many objects and no garbage; collecting would take a quarter of their time.
gc.disable()
# If an import fails, the worker that repeats it reports the error.
with contextlib.suppress(Exception):
    import lpips  # noqa: F401  # with torchvision, half of the import time

    import harness.trials.trial  # noqa: F401
# Imported objects live as long as the process: workers' collectors need not scan them, which would
# also copy their memory pages.
gc.freeze()
gc.enable()
