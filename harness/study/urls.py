"""URLs of databases and servers: parse and build them, and redact secrets."""

import os
import re
from pathlib import Path
from urllib.parse import unquote, unquote_to_bytes

HIDDEN = "***"

# Query parameters that are not secret; all others are redacted.
NOT_SECRET = frozenset(
    [
        *("mode", "uri", "immutable", "cache", "sslmode", "host", "port", "dbname", "user"),
        *("timeout", "connect_timeout", "charset", "application_name", "target_session_attrs"),
    ]
)
URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>]+")


def without_secrets(url: str) -> str:
    """A database or tracking URL with its password and other secrets replaced by ***."""
    scheme, found, rest = url.partition("://")
    if not found:
        return url
    place, question_mark, query = rest.partition("?")
    if not place.startswith("/"):  # a server; a file's path may contain any character
        place, _, fragment = place.partition("#")
        user, at, host = place.rpartition("@")
        if not at and ":" in place and "@" in query:  # a password that contains a question mark
            return f"{scheme}://{HIDDEN}"
        if at:
            place = f"{redacted_user(scheme, user)}@{host}"
        if fragment:
            place += f"#{HIDDEN}"
    redacted = "&".join(map(redacted_part, query.split("&"))) if question_mark else ""
    return f"{scheme}://{place}{question_mark}{redacted}"


def redacted_user(scheme: str, user: str) -> str:
    """The user part of a URL, redacted. For a web server the user name itself can be a token."""
    name, colon, _ = user.partition(":")
    if scheme.startswith("http"):
        return HIDDEN
    return f"{name}:{HIDDEN}" if colon else name


def redacted_part(part: str) -> str:
    """One `key=value` of a query, redacted unless its key is known not to be secret."""
    key, equals, _ = part.partition("=")
    if not equals:
        return HIDDEN
    return part if key.lower() in NOT_SECRET else f"{key}={HIDDEN}"


def scrubbed(text: str) -> str:
    """A text with the secrets of all URLs in it redacted."""
    return URL.sub(lambda found: without_secrets(found[0]), text)


def sqlite_address(file: Path) -> str:
    """The URL of a SQLite file, whatever characters its path contains."""
    path = str(file.absolute())
    # MLflow creates the folder of a `sqlite:` URL, without decoding its name.
    kind = "sqlite" if escaped(path) == path else "sqlite+pysqlite"
    return f"{kind}:///{escaped(path)}"


def static_address(file: Path) -> str:
    """The URL of a SQLite file in a read-only folder, which cannot change."""
    # A URI for SQLite itself, inside SQLAlchemy's URL.
    place = escaped(f"file:{escaped(str(file.absolute()))}")
    return f"sqlite:///{place}?mode=ro&immutable=1&uri=true"


def escaped(path: str) -> str:
    """A path escaped for a URL. Bytes that are not UTF-8 stay Python's surrogates."""
    return re.sub("[%?#{}]", lambda mark: f"%{ord(mark[0]):02X}", path)


def sqlite_file(url: str) -> Path | None:
    """The file of a SQLite database; None for other databases and for one in memory."""
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
