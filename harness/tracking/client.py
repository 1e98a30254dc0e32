"""Create MLflow clients, validate tracking addresses and classify MLflow's errors."""

import logging
import os
import re
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from harness.errors import UserInputError
from harness.study.urls import scrubbed, without_secrets

if TYPE_CHECKING:
    from mlflow import MlflowClient

VARIABLE = "MLFLOW_TRACKING_URI"
LOOPBACK = ("localhost", "127.0.0.1", "::1")
SERVERS = ("http", "https")
DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
DATABRICKS = ("databricks", "databricks-uc", "uc")
FOLDERS = ("", "file")
DATABASE_TRIES = 3  # MLflow doubles the wait after each: its default of ten takes two minutes
MAX_LENGTH = 500  # maximum length, in characters, of an MLflow error shown to the user

# Error codes of requests that MLflow rejects for good. All other errors may be temporary.
REFUSALS = (
    "INVALID_PARAMETER_VALUE",
    "INVALID_STATE",
    "RESOURCE_ALREADY_EXISTS",
    "RESOURCE_DOES_NOT_EXIST",
)


class RefusedError(Exception):
    """The store rejects a request for good. The message is the store's own."""


class UnavailableError(Exception):
    """The store is unavailable; a retry may succeed. The message is the store's own."""


def load_client() -> "type[MlflowClient]":
    """Import MLflow's client with telemetry and log output off, and with short retries."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    from mlflow import MlflowClient

    for name in ("mlflow", "alembic", "urllib3"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return MlflowClient


def quiet_client(uri: str) -> "MlflowClient":
    """A client of the store at `uri`. Opens the store, and creates it if it is a new file.

    The model registry of a SQLite store is always the store itself, whatever the environment says.
    """
    client = load_client()
    if scheme_of(uri) in SERVERS:
        bypass_proxies(uri)
    else:
        from mlflow.store.db import utils

        utils.MAX_RETRY_COUNT = DATABASE_TRIES
    return client(tracking_uri=uri, registry_uri=uri if scheme_of(uri) == "sqlite" else None)


def bypass_proxies(uri: str) -> None:
    """Exclude loopback addresses from the proxy, which would resolve them on its own machine."""
    if urlsplit(uri).hostname not in LOOPBACK or not urllib.request.getproxies():
        return
    named = os.environ.get("no_proxy") or os.environ.get("NO_PROXY", "")
    missing = [host for host in LOOPBACK if host not in named.split(",")]
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = ",".join(filter(None, [named, *missing]))


def scheme_of(uri: str) -> str:
    """The scheme without a driver: `postgresql` for `postgresql+psycopg://...`; "" for a path."""
    if uri in DATABRICKS:
        return uri
    return uri.partition(":")[0].partition("+")[0] if ":" in uri else ""


def check_tracking_uri(uri: str) -> None:
    """Reject an address at which MLflow cannot store runs. Opens nothing.

    Raises:
        UserInputError: it is a folder or of an unknown kind, or its driver package is missing.
    """
    scheme = scheme_of(uri)
    shown = without_secrets(uri)
    plugins = {plugin.name for plugin in entry_points(group="mlflow.tracking_store")}
    instead = (
        "name a server, such as http://127.0.0.1:5000, or a database, such as sqlite:///mlflow.db; "
        "without --tracking-uri the runs are kept in the run folder."
    )
    if not uri:
        raise UserInputError(f"--tracking-uri is empty: {instead}")
    if scheme in FOLDERS:
        if os.environ.get("MLFLOW_ALLOW_FILE_STORE", "").lower() in ("true", "1"):
            return
        raise UserInputError(
            f"--tracking-uri {shown} is a folder, and MLflow 3 keeps no runs in folders: {instead}"
        )
    if scheme not in {*SERVERS, *DATABASES, *DATABRICKS, *plugins}:
        raise UserInputError(
            f"--tracking-uri {shown} is no kind of address that MLflow knows: {instead}"
        )
    if scheme in SERVERS and not urlsplit(uri).hostname:
        raise UserInputError(f"--tracking-uri {shown} names no host: {instead}")
    if scheme in DATABASES:
        try:
            make_url(uri).get_dialect().import_dbapi()
        except (SQLAlchemyError, ImportError, ValueError) as error:
            raise UserInputError(
                f"--tracking-uri {shown} cannot be used ({type(error).__name__}: "
                f"{first_line(error)}): check the address and the driver package."
            ) from None


def ignored_variable(tracking_uri: str | None) -> tuple[str, ...]:
    """A message if the environment names a store and the command line does not; else empty."""
    named = os.environ.get(VARIABLE, "")
    if tracking_uri is not None or not named:
        return ()
    return (
        f"{VARIABLE} is set ({without_secrets(named)}) but not used: the runs are kept in the run "
        f'folder, where harness ui shows them. To use it, add --tracking-uri "${VARIABLE}".',
    )


@contextmanager
def classified_errors() -> Iterator[None]:
    """Distinguish requests that MLflow rejects from MLflow being unavailable.

    Other errors, which are bugs of this program, pass through.

    Raises:
        RefusedError: MLflow understood the request and rejects it for good.
        UnavailableError: a retry may succeed.
    """
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        kind = RefusedError if error.error_code in REFUSALS else UnavailableError
        raise kind(first_line(error)) from error
    except (OSError, SQLAlchemyError) as error:
        raise UnavailableError(first_line(error)) from error


def first_line(error: Exception) -> str:
    """The first line of an error, without secrets."""
    if silent := re.search(r"host='([^']+)', port=(\d+)\): Max retries exceeded", str(error)):
        return f"nothing answers at {silent[1]}:{silent[2]}"
    lines = str(error).strip().splitlines()
    first = scrubbed(lines[0] if lines else type(error).__name__)
    return first if len(first) <= MAX_LENGTH else f"{first[:MAX_LENGTH]} ..."
