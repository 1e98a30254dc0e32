"""A copy of pix2pix that exported commands are for, and the options that it knows."""

import shlex
from typing import Any

SHARED = {"folder": "/the copy", "python": "/the copy/.venv/bin/python"}


def known(config: dict[str, Any], *others: str) -> set[str]:
    """The options of an exported full training, and others."""
    words = shlex.split(config["full_command"].replace("\\\n", " "))
    return {word[2:] for word in words if word.startswith("--")} | set(others)
