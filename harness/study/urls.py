"""Addresses of databases and servers: what they name, and how they may be shown."""

import os
import re
from pathlib import Path
from urllib.parse import unquote, unquote_to_bytes

HIDDEN = "***"

# Parts of an address's query that are no secret; whatever is not among them may be one.
HARMLESS = frozenset(
    [
        "mode",
        "uri",
        "immutable",
        "cache",
        "sslmode",
        "host",
        "port",
        "dbname",
        "user",
        "timeout",
        "connect_timeout",
        "charset",
        "application_name",
        "target_session_attrs",
    ]
)
URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>]+")


def without_secrets(url: str) -> str:
    """A database or tracking URL as it may be shown: its password and the like replaced by ***."""
    scheme, found, rest = url.partition("://")
    if not found:
        return url
    place, asked, query = rest.partition("?")
    if not place.startswith("/"):  # it names a server; a file's path may hold any character
        place, _, fragment = place.partition("#")
        user, at, host = place.rpartition("@")
        if not at and ":" in place and "@" in query:  # a password with a question mark in it
            return f"{scheme}://{HIDDEN}"
        if at:
            place = f"{shown_user(scheme, user)}@{host}"
        if fragment:
            place += f"#{HIDDEN}"
    shown = "&".join(shown_part(part) for part in query.split("&")) if asked else ""
    return f"{scheme}://{place}{asked}{shown}"


def shown_user(scheme: str, user: str) -> str:
    """Who logs in; a web server's user can be a token."""
    name, colon, _ = user.partition(":")
    if scheme.startswith("http"):
        return HIDDEN
    return f"{name}:{HIDDEN}" if colon else name


def shown_part(part: str) -> str:
    key, equals, _ = part.partition("=")
    if not equals:
        return HIDDEN
    return part if key.lower() in HARMLESS else f"{key}={HIDDEN}"


def scrubbed(text: str) -> str:
    """A text with every URL in it as it may be shown."""
    return URL.sub(lambda found: without_secrets(found[0]), text)


def sqlite_address(file: Path) -> str:
    """The URL of a SQLite file, whatever its path is."""
    path = str(file.absolute())
    # MLflow makes the folder of a `sqlite:` address, and does not decode its name.
    kind = "sqlite" if escaped(path) == path else "sqlite+pysqlite"
    return f"{kind}:///{escaped(path)}"


def address_of_still(file: Path) -> str:
    """The same, of one that does not change and beside which nothing can be written."""
    # SQLite itself takes this for an address, within that of SQLAlchemy.
    place = escaped(f"file:{escaped(str(file.absolute()))}")
    return f"sqlite:///{place}?mode=ro&immutable=1&uri=true"


def escaped(path: str) -> str:
    """A path within a URL. Bytes that are no UTF-8 stay as Python has them, for SQLAlchemy too."""
    return re.sub("[%?#{}]", lambda mark: f"%{ord(mark[0]):02X}", path)


def sqlite_file(url: str) -> Path | None:
    """The file of a SQLite database; None of another kind, and of one in memory."""
    scheme, _, rest = url.partition("://")
    path, _, query = rest.partition("?")
    path = unquote(path.removeprefix("/"))
    if scheme.partition("+")[0] != "sqlite" or not path or ":memory:" in path:
        return None
    if path.startswith("file:"):
        path = os.fsdecode(unquote_to_bytes(os.fsencode(path.removeprefix("file:"))))
        if "mode=memory" in query:
            return None
        path = re.sub("^//[^/]*", "", path)
    return Path(path)
