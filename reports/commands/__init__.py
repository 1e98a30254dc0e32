"""Command lines for a found setting: of train.py, the user's own program, or this one."""
