"""For every test: one thread a process, so that tests of several workers do not fight for cores."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")


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
