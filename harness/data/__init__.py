"""Retouched/original pairs: read from a folder, or made from built-in photographs."""
