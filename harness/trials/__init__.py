"""Trials, from parameters to score, and the processes that run them."""
