"""For every test: one thread a process, so that tests of several workers do not fight for cores."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
