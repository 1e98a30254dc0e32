"""For every test: one thread a process, so that tests of several workers do not fight for cores."""

import contextlib
import gc
import multiprocessing
import os
import random
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
    # Under nohup, the processes that tests start must not inherit that it is ignored.
    signal.signal(signal.SIGHUP, lambda *_: None)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--shuffle-files", type=int, help="run the files in an order of this seed's")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: tests also wait, for deadlines and for other processes."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Imports create many objects and no garbage: a third of their time is looking for it.

    They live as long as the process: tests' collections need not look at them either.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A test must not depend on those of other files that ran before it."""
    seed = config.getoption("shuffle_files")
    if seed is not None:
        files = sorted({item.path for item in items})
        random.Random(seed).shuffle(files)
        items.sort(key=lambda item: files.index(item.path))


@pytest.fixture(scope="session", autouse=True)
def fork_server() -> None:
    """One server for all tests' workers, which imports once what each would take a second for."""
    from harness.trials.launchers.local import start_server

    multiprocessing.set_forkserver_preload(
        ["harness.trials.launchers.preload", "harness.search.plan", "optuna.study", "pytest"]
    )
    start_server()


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Output is as wide as in a file, not as the terminal that the tests run in."""
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture(scope="session", autouse=True)
def migrations_read_once() -> Iterator[None]:
    """Optuna and MLflow execute the files of all their migrations whenever they open a database."""
    from alembic.script import ScriptDirectory

    load, known = ScriptDirectory._load_revisions, dict[str, list[Any]]()

    def once(directory: ScriptDirectory) -> list[Any]:
        if directory.dir not in known:
            known[directory.dir] = list(load(directory))
        return known[directory.dir]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ScriptDirectory, "_load_revisions", once)
        yield


@pytest.fixture(params=["pretended", pytest.param("real", marks=pytest.mark.gpu)])
def any_gpu(request: pytest.FixtureRequest) -> Iterator[str]:
    """A GPU: a pretended one on any machine, a real one where the tests marked gpu are run."""
    from pretended_gpu import PretendedGpu

    with PretendedGpu() if request.param == "pretended" else contextlib.nullcontext():
        yield request.param


@pytest.fixture
def plant_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, bytes], None]:
    """Puts bytes where a network's pretrained weights are looked for, in a cache of the test's."""
    import torch

    from objectives.weights import weights_file

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))

    def plant(arch: str, held: bytes) -> None:
        file = weights_file(arch)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(held)

    return plant


# The browser's own requests and first-run pages are switched off.
CHROMIUM_SWITCHES = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A headless browser. Tests that keep state in it open a context of their own."""
    api = pytest.importorskip("playwright.sync_api")
    binary = shutil.which("chromium") or shutil.which("google-chrome")
    if binary is None:
        pytest.skip("needs Chromium")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=binary, args=CHROMIUM_SWITCHES)
        yield browser
        browser.close()
