"""Checks of this machine, one per requirement of a search, each with a fix."""

import re
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Literal

from harness.errors import HarnessError
from harness.paths import RunPaths, existing_ancestor, why_not_a_run_dir, why_not_writable
from reports.texts.numbers import quantity

Level = Literal["ok", "warning", "problem"]

GIB = 1 << 30
LOW_SPACE = 5 * GIB
"""Free space, in bytes, below which to warn: a long search with panels takes some gigabytes."""
MIN_SPACE = GIB // 2
WORKER_MEMORY = 1.5 * GIB
"""Memory that a worker needs, in bytes: PyTorch, the two networks, and those of the objective."""


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
        level: `problem` if a search cannot run, `warning` if it runs less well.
        what: what was checked.
        message: the result, in words.
        fix: what to do about it; "" if nothing.
    """

    level: Level
    what: str
    message: str
    fix: str = ""


def examine(run_dir: Path) -> Iterator[Finding]:
    """Run all checks, without changing or downloading anything."""
    yield packages()
    yield device()
    yield memory()
    yield from weights()
    yield cache()
    yield run_folder(run_dir)
    yield from stores(RunPaths(run_dir))


def packages() -> Finding:
    """Check that the declared dependencies are installed, in a sufficient version."""
    fix = "pip install --upgrade -e . in the folder of the harness."
    try:
        declared = requires("pix2pix-blur-harness") or []
    except PackageNotFoundError:
        return Finding("problem", "packages", "the harness itself is not installed", fix)
    wrong = [
        reason
        for requirement in declared
        if "extra ==" not in requirement and (reason := unmet(requirement))
    ]
    if wrong:
        return Finding("problem", "packages", "; ".join(wrong), fix)
    found = ", ".join(f"{name} {version(name)}" for name in ("torch", "optuna", "mlflow"))
    return Finding("ok", "packages", f"all there: {found}")


def unmet(requirement: str) -> str:
    """What is wrong with a declared requirement `name>=version`; "" if it is met."""
    name, _, minimum = requirement.partition(">=")
    try:
        installed = version(name)
    except PackageNotFoundError:
        return f"{name} is missing"
    old = numbers(installed) < numbers(minimum)
    return f"{name} is {installed}, and {minimum} is needed" if old else ""


def numbers(text: str) -> tuple[int, ...]:
    """The leading numbers of a version: (2, 11, 0) for `2.11.0+cpu`."""
    found = re.match(r"\d+(\.\d+)*", text)
    return tuple(map(int, found[0].split("."))) if found else ()


def device() -> Finding:
    """Check which device trains."""
    import torch

    from harness.data.files.processes import available_cores

    if torch.cuda.is_available():
        cards = [torch.cuda.get_device_properties(n) for n in range(torch.cuda.device_count())]
        names = ", ".join(f"{card.name} ({card.total_memory / GIB:.0f} GiB)" for card in cards)
        return Finding("ok", "device", names)
    cores = f"CPU, {available_cores()} cores"
    if shutil.which("nvidia-smi"):
        return Finding(
            "warning",
            "device",
            f"{cores}: there is an NVIDIA driver, but this PyTorch ({torch.__version__}) cannot "
            "use it",
            "install a CUDA build that fits the driver: see https://pytorch.org/get-started.",
        )
    return Finding("ok", "device", f"{cores}, no GPU: --profile auto is quick")


def memory() -> Finding:
    """Check that the workers of `--jobs auto` fit in memory."""
    import psutil
    import torch

    from harness.data.files.processes import available_cores

    workers = 1 if torch.cuda.is_available() else available_cores()
    free = psutil.virtual_memory().available
    text = f"{free / GIB:.1f} GiB free for {quantity(workers, 'worker')}"
    if free >= workers * WORKER_MEMORY:
        return Finding("ok", "memory", text)
    fix = f"close other programs, or search with --jobs {max(1, int(free / WORKER_MEMORY))}."
    return Finding("warning", "memory", text, fix)


def weights() -> Iterator[Finding]:
    """Check that the pretrained networks of the objectives are cached."""
    from harness.search.pretrained import TRUNKS
    from objectives.weights import URLS, weights_file

    for arch in TRUNKS:
        file = weights_file(arch)
        if file.exists():
            yield Finding("ok", "weights", f"{arch}: {file}")
        else:
            yield Finding(
                "warning",
                "weights",
                f"{arch} is not cached: a search downloads it, or else uses a random network",
                f"where there is no network, fetch {URLS[arch]} elsewhere and put it into "
                f"{file.parent}.",
            )


def cache() -> Finding:
    """Check that prepared pairs can be cached."""
    from harness.data.pairs.cache import default_cache

    try:
        folder = default_cache()
    except HarnessError as error:
        return Finding("problem", "cache", str(error), "set HARNESS_CACHE to a folder.")
    if why := why_not_writable(folder):
        fix = "make it writable, or name another in the environment variable HARNESS_CACHE."
        return Finding("problem", "cache", f"{folder} cannot be written ({why})", fix)
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return Finding("ok", "cache", f"{folder} holds {size / 1e6:.0f} MB; it may be deleted")


def run_folder(folder: Path) -> Finding:
    """Check that results can be written, with enough free space."""
    if why := why_not_a_run_dir(folder):
        return Finding("problem", "run folder", why, "choose another with --run-dir DIR.")
    free = shutil.disk_usage(existing_ancestor(folder)).free
    text = f"{folder}: {free / GIB:.1f} GiB free on its disk"
    if free >= LOW_SPACE:
        return Finding("ok", "run folder", text)
    fix = "free some space, or choose a folder on another disk with --run-dir DIR."
    return Finding("problem" if free < MIN_SPACE else "warning", "run folder", text, fix)


def stores(paths: RunPaths) -> Iterator[Finding]:
    """Check that the databases of a run folder are intact."""
    if not paths.optuna_db.exists():
        yield Finding("ok", "studies", f"none yet in {paths.root}")
        return
    from harness.study.database import OtherSchemaError
    from harness.study.study import NewerStudyError, open_existing

    fix = "move the file away and search again, or put a copy of it back."
    broken = damage(paths.optuna_db)
    try:
        studies, unreadable = ([], {}) if broken else open_existing(paths, None)
        for error in unreadable.values():
            raise error
    except OtherSchemaError as error:
        broken, fix = "it is intact, but of another version of Optuna", str(error)
    except NewerStudyError as error:
        broken, fix = "it is intact, but a newer version of harness wrote it", str(error)
    except HarnessError as error:
        broken = str(error)
    if broken:
        yield Finding("problem", "studies", f"{paths.optuna_db}: {broken}", fix)
    else:
        names = ", ".join(study.study_name for study in studies)
        yield Finding("ok", "studies", f"{len(studies)} in {paths.optuna_db}: {names}")
    if paths.mlflow_db.exists():
        broken = damage(paths.mlflow_db)
        if broken:
            fix = "move it away: the studies do not need it, only MLflow's pages are lost."
            yield Finding("warning", "mlflow", f"{paths.mlflow_db}: {broken}", fix)
        else:
            yield Finding("ok", "mlflow", f"{paths.mlflow_db} is intact; see it with harness ui")


def damage(file: Path) -> str:
    """The result of SQLite's integrity check, read-only; "" if the database is intact."""
    from harness.study.database import is_static

    if not file.stat().st_size:
        return "it is empty (0 bytes)"
    query = "mode=ro&immutable=1" if is_static(file) else "mode=ro"
    try:
        connection = sqlite3.connect(f"{file.absolute().as_uri()}?{query}", uri=True, timeout=60)
        try:
            (result,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        finally:
            connection.close()
    except sqlite3.Error as error:
        return str(error)
    return "" if result == "ok" else str(result)
