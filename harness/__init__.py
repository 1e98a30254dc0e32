"""Finds the pix2pix settings that remove the blur around retouched regions."""

__version__ = "0.1.0"
