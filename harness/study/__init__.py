"""Optuna's record of a search: opened, locked, sampled from."""
