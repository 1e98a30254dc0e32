"""Migrate records of earlier versions when they are read.

The attributes of a study are migrated according to its version. Those of a trial cannot be changed
once it has ended, so a study that was continued with a newer version has trials of several: each
migration of trials recognises the trials that it is for.

Version 2 introduced the version itself, and `cause` of trials that ended early; before it, the
guide's recommended recipe was called `best`.
"""

from collections.abc import Mapping
from typing import Any

from reports.record.format import VERSION, RecordError
from reports.record.names import EARLIER_NAME, renamed

VERSION_KEY = "record_version"

VERSION_1_DEFAULTS: dict[str, Any] = {"trainer": "builtin", "program": None, "repository": None}
"""Attributes that a study of version 1 may lack, with the values that applied to it."""


def migrated_study(attributes: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A study's attributes in the form of this version.

    Raises:
        NewerRecordError: the record has a newer version.
        RecordError: its version is not a number.
    """
    version = attributes.get(VERSION_KEY, 1)
    if not isinstance(version, int) or version < 1:
        raise RecordError(f"`{VERSION_KEY}` of study {name} is {version!r} (should be a number)")
    if version > VERSION:
        raise NewerRecordError(
            f"Study {name} was written by a newer version of this program (its record has version "
            f"{version}, this one reads up to {VERSION}): update it with pip install --upgrade, or "
            "choose another study with --study NAME."
        )
    migrated = dict(attributes)
    if version < 2:
        migrated = VERSION_1_DEFAULTS | migrated
        if "finalists" in migrated:
            migrated["finalists"] = migrated_finalists(migrated["finalists"])
    return migrated


class NewerRecordError(RecordError):
    """The record was written by a newer version of this program."""


def migrated_finalists(finalists: Any) -> Any:
    """Finalists with the current name of the renamed recipe.

    The names of a comparison of two files are kept: a file may have the recipe's old name.
    """
    rows = finalists.get("rows") if isinstance(finalists, dict) else None
    recipes = isinstance(rows, list) and any(isinstance(r, dict) and r.get("recipe") for r in rows)
    return renamed(finalists) if recipes else finalists


EARLIER_STOP = "pruned at step"
# How the reasons of version 1 begin.
CAUSES = {
    "diverged": "diverged",
    EARLIER_STOP: "pruned",
    "out of memory, also when run alone": "out_of_memory",
}


def migrated_trial(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """A trial's attributes in the form of this version."""
    migrated = dict(attributes)
    if migrated.get("recipe") == EARLIER_NAME:
        migrated |= {
            key: renamed(migrated[key]) for key in ("recipe", "finalist") if key in migrated
        }
    reason = migrated.get("reason")
    if isinstance(reason, str) and reason and "cause" not in migrated:
        found = (cause for begin, cause in CAUSES.items() if reason.startswith(begin))
        migrated["cause"] = next(found, "failed")
    if isinstance(reason, str) and reason.startswith(EARLIER_STOP):
        migrated["reason"] = f"stopped{reason.removeprefix('pruned')}"
    return migrated
