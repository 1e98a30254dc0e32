"""Pairs made from originals: the face found, liquified, and the displacement kept."""
