"""Prepare pairs for training: scale, split and cache them."""
