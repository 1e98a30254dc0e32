"""Optuna's own contract of storages, kept by ours."""

from pathlib import Path

import pytest
from optuna.testing.pytest_storages import StorageTestCase

from harness.study.database import open_storage
from harness.study.storage import RetryingStorage, SingleWriterStorage

pytestmark = pytest.mark.slow


class TestPatientStorage(StorageTestCase):
    @pytest.fixture
    def storage(self, tmp_path: Path) -> RetryingStorage:
        return open_storage(f"sqlite:///{tmp_path}/optuna.db")


class TestOnlyWriter(StorageTestCase):
    @pytest.fixture
    def storage(self, tmp_path: Path) -> SingleWriterStorage:
        return SingleWriterStorage(open_storage(f"sqlite:///{tmp_path}/optuna.db"))
