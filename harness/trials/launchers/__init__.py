"""Where workers run: on processes of this machine, or as actors of a Ray cluster."""
