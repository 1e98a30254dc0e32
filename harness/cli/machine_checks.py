"""What a search needs of this machine, looked at one by one; a fix for whatever is not well."""

import re
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Literal

from harness.errors import HarnessError
from harness.paths import RunPaths, nearest, refusal_to_hold, unfit_to_run_in

Level = Literal["ok", "warning", "problem"]

GIB = 1 << 30
LITTLE_SPACE = 5 * GIB
"""Below this the disk is worth a word: a long search with pictures takes some gigabytes."""
NO_SPACE = GIB // 2
A_WORKER = 1.5 * GIB
"""Allowed for a worker: PyTorch, the two networks, and those that pictures are compared through."""


@dataclass(frozen=True)
class Finding:
    """One thing looked at.

    Attributes:
        level: `problem` where a search cannot run, `warning` where it runs less well.
        fix: what to do about it; "" where nothing is to be done.
    """

    level: Level
    what: str
    said: str
    fix: str = ""


def examine(run_dir: Path) -> Iterator[Finding]:
    """Look at everything, one finding after another. Leaves nothing changed, downloads nothing."""
    yield packages()
    yield device()
    yield memory()
    yield from weights()
    yield cache()
    yield run_folder(run_dir)
    yield from stores(RunPaths(run_dir))


def packages() -> Finding:
    """Whether what the harness declares is installed, in a version that will do."""
    fix = "pip install --upgrade -e . in the folder of the harness."
    try:
        declared = requires("pix2pix-blur-harness") or []
    except PackageNotFoundError:
        return Finding("problem", "packages", "the harness itself is not installed", fix)
    wrong = [
        said
        for requirement in declared
        if "extra ==" not in requirement and (said := lacking(requirement))
    ]
    if wrong:
        return Finding("problem", "packages", "; ".join(wrong), fix)
    said = ", ".join(f"{name} {version(name)}" for name in ("torch", "optuna", "mlflow"))
    return Finding("ok", "packages", f"all there: {said}")


def lacking(requirement: str) -> str:
    """What is wrong with one declared `name>=version`; "" where nothing is."""
    name, _, wanted = requirement.partition(">=")
    try:
        there = version(name)
    except PackageNotFoundError:
        return f"{name} is missing"
    old = numbers(there) < numbers(wanted)
    return f"{name} is {there}, and {wanted} is needed" if old else ""


def numbers(text: str) -> tuple[int, ...]:
    """The leading numbers of a version: those of `2.11.0+cpu` are 2, 11, 0."""
    found = re.match(r"\d+(\.\d+)*", text)
    return tuple(map(int, found[0].split("."))) if found else ()


def device() -> Finding:
    """What trains."""
    import torch

    from harness.search.resolve import available_cores

    if torch.cuda.is_available():
        cards = [torch.cuda.get_device_properties(n) for n in range(torch.cuda.device_count())]
        said = ", ".join(f"{card.name} ({card.total_memory / GIB:.0f} GiB)" for card in cards)
        return Finding("ok", "device", said)
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
    """Whether the workers of `--jobs auto` have room."""
    import psutil
    import torch

    from harness.search.resolve import available_cores

    workers = 1 if torch.cuda.is_available() else available_cores()
    free = psutil.virtual_memory().available
    said = f"{free / GIB:.1f} GiB free for {workers} worker(s)"
    if free >= workers * A_WORKER:
        return Finding("ok", "memory", said)
    fix = f"close other programs, or search with --jobs {max(1, int(free / A_WORKER))}."
    return Finding("warning", "memory", said, fix)


def weights() -> Iterator[Finding]:
    """Whether the pretrained networks that judge pictures are cached."""
    from harness.search.resolve import TRUNKS
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
    """Whether prepared pairs can be kept."""
    from harness.data.pairs.cache import default_cache

    try:
        folder = default_cache()
    except HarnessError as error:
        return Finding("problem", "cache", str(error), "set HARNESS_CACHE to a folder.")
    if why := refusal_to_hold(folder):
        fix = "make it writable, or name another in the environment variable HARNESS_CACHE."
        return Finding("problem", "cache", f"{folder} cannot be written ({why})", fix)
    held = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return Finding("ok", "cache", f"{folder} holds {held / 1e6:.0f} MB; it may be deleted")


def run_folder(folder: Path) -> Finding:
    """Whether results can be written, and for how long."""
    if why := unfit_to_run_in(folder):
        return Finding("problem", "run folder", why, "choose another with --run-dir DIR.")
    free = shutil.disk_usage(nearest(folder)).free
    said = f"{folder}: {free / GIB:.1f} GiB free on its disk"
    if free >= LITTLE_SPACE:
        return Finding("ok", "run folder", said)
    fix = "free some space, or choose a folder on another disk with --run-dir DIR."
    return Finding("problem" if free < NO_SPACE else "warning", "run folder", said, fix)


def stores(paths: RunPaths) -> Iterator[Finding]:
    """Whether the databases of a run folder are whole."""
    if not paths.optuna_db.exists():
        yield Finding("ok", "studies", f"none yet in {paths.root}")
        return
    from harness.study.database import OtherSchemaError
    from harness.study.study import open_existing

    fix = "move the file away and search again, or put a copy of it back."
    broken = damage(paths.optuna_db)
    try:
        names = [] if broken else [each.study_name for each in open_existing(paths, None, None)]
    except OtherSchemaError as error:
        broken, fix = "it is intact, but of another version of Optuna", str(error)
    except HarnessError as error:
        broken = str(error)
    if broken:
        yield Finding("problem", "studies", f"{paths.optuna_db}: {broken}", fix)
    else:
        yield Finding("ok", "studies", f"{len(names)} in {paths.optuna_db}: {', '.join(names)}")
    if paths.mlflow_db.exists():
        broken = damage(paths.mlflow_db)
        if broken:
            again = "move it away: the studies are whole without it, MLflow's pages are lost."
            yield Finding("warning", "mlflow", f"{paths.mlflow_db}: {broken}", again)
        else:
            yield Finding("ok", "mlflow", f"{paths.mlflow_db} is whole; see it with harness ui")


def damage(file: Path) -> str:
    """What SQLite finds wrong with a database, which is not changed; "" where nothing is."""
    from harness.study.database import lies_still

    how = "mode=ro&immutable=1" if lies_still(file) else "mode=ro"
    try:
        connection = sqlite3.connect(f"{file.absolute().as_uri()}?{how}", uri=True, timeout=60)
        try:
            (said,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        finally:
            connection.close()
    except sqlite3.Error as error:
        return str(error)
    return "" if said == "ok" else str(said)
