"""Which errors are recognised by what the system and PyTorch say of them."""

from pathlib import Path

import pytest
import torch

from harness.errors import disk_full

FULL = Path("/dev/full")


@pytest.mark.skipif(not FULL.exists(), reason="no device that is always full")
@pytest.mark.parametrize("size", [1, 1000])
def test_a_disk_that_is_full_as_pytorch_saves(size: int) -> None:
    with pytest.raises(RuntimeError) as failed:
        torch.save(torch.zeros(size), FULL)
    assert disk_full(failed.value)
