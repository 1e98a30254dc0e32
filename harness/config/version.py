"""The harness's version. A file of its own, as everything else of the package may need it."""

__version__ = "0.1.0"
