"""A copy of pix2pix as it is read once."""

import pytest

from harness.config.settings import Repository
from harness.trials.external.repository import read_repository
from tests.harness.trials.external.copies import copy_of_pix2pix


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return read_repository(copy_of_pix2pix(tmp_path_factory.mktemp("repo") / "pix2pix"), 2.0)
