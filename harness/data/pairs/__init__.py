"""Pairs ready to train on: sized, split, prepared once and cached."""
