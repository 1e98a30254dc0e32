"""The version, stated here alone: setup.cfg reads it without importing anything else."""

__version__ = "0.2.0"
