"""Trials that another program trains: the user's copy of pix2pix, or any that a YAML describes."""
