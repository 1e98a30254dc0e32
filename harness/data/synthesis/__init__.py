"""Pairs made from originals: liquified faces, stored with their displacement fields."""
