"""Measurements; `python -m benchmarks` lists and runs them. Results are kept under results/."""
