"""Evaluation: restore pictures with a generator, score them, compare settings."""
