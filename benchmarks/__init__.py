"""Measurements, each a command of its own. Results are kept under results/."""
