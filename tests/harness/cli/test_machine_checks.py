"""What is well is said to be, and what is not has its fix."""

import sqlite3
from collections import namedtuple
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import optuna
import pytest

from harness.cli import machine_checks as doctor
from harness.cli.machine_checks import GIB, Finding
from harness.paths import RunPaths
from tests.synthetic_studies import study_attrs

InProcess = Callable[..., tuple[int, str, str]]
Usage = namedtuple("Usage", "total used free")


def named(findings: list[Finding], what: str) -> Finding:
    (found,) = [each for each in findings if each.what == what]
    return found


@pytest.fixture
def searched(tmp_path: Path) -> RunPaths:
    """A run folder with one study."""
    paths = RunPaths(tmp_path / "빈 칸")
    paths.root.mkdir()
    study = optuna.create_study(study_name="마침", storage=f"sqlite:///{paths.optuna_db}")
    for key, value in study_attrs("마침").items():
        study.set_user_attr(key, value)
    return paths


def test_every_finding_that_is_not_well_has_a_fix_and_nothing_is_written(tmp_path: Path) -> None:
    findings = list(doctor.examine(tmp_path / "runs"))
    assert {each.what for each in findings} == {
        "packages", "device", "memory", "weights", "cache", "run folder", "studies",
    }  # fmt: skip
    assert all(bool(each.fix) == (each.level != "ok") for each in findings)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_and_an_old_package_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    declared = ["torch>=999.1", "numpy>=1.0", "no-such-thing>=1", "pytest>=999; extra == 'dev'"]
    monkeypatch.setattr(doctor, "requires", lambda _: declared)
    found = doctor.packages()
    assert found.level == "problem"
    assert "999.1 is needed" in found.message
    assert "no-such-thing is missing" in found.message
    assert "numpy" not in found.message
    assert "pytest" not in found.message
    assert doctor.unmet(f"numpy>={version('numpy')}") == ""  # exactly what is needed
    monkeypatch.setattr(doctor, "version", lambda _: "10.2")
    assert doctor.unmet("numpy>=9.1") == ""  # numbers, not letters
    assert doctor.unmet("numpy>=10.10") == "numpy is 10.2, and 10.10 is needed"


@pytest.mark.parametrize(
    ("text", "parts"), [("2.11.0+cpu", (2, 11, 0)), ("5.0", (5, 0)), ("1.2rc1", (1, 2)), ("x", ())]
)
def test_versions_are_compared_as_numbers(text: str, parts: tuple[int, ...]) -> None:
    assert doctor.numbers(text) == parts
    assert doctor.numbers("2.9") < doctor.numbers("2.11")


@pytest.mark.parametrize(
    ("free", "level"), [(50 * GIB, "ok"), (2 * GIB, "warning"), (GIB // 4, "problem")]
)
def test_a_filling_disk_is_told_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, level: str
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage(free * 2, free, free))
    assert doctor.run_folder(tmp_path / "runs").level == level


def test_a_run_folder_in_which_a_search_would_be_refused_is_a_problem() -> None:
    for folder in ("/proc/nothing", "which?"):
        found = doctor.run_folder(Path(folder))
        assert found.level == "problem"
        assert found.fix == "choose another with --run-dir DIR."


def test_jobs_that_fit_are_named_where_memory_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    Memory = namedtuple("Memory", "available")
    monkeypatch.setattr("harness.data.files.processes.available_cores", lambda: 8)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    for gib, level, jobs in ((64, "ok", ""), (5, "warning", "--jobs 3."), (1, "warning", "1.")):
        monkeypatch.setattr("psutil.virtual_memory", lambda gib=gib: Memory(gib * GIB))
        found = doctor.memory()
        assert found.level == level
        assert found.message == f"{gib}.0 GiB free for 8 workers"
        assert found.fix.endswith(jobs)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("psutil.virtual_memory", lambda: Memory(2 * GIB))
    assert doctor.memory().level == "ok"  # one worker


def test_a_driver_without_a_gpu_that_pytorch_can_use_is_a_warning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    for place, level in ((None, "ok"), ("/bin/nvidia-smi", "warning")):
        monkeypatch.setattr("shutil.which", lambda _, place=place: place)
        assert doctor.device().level == level
    card = namedtuple("Card", "name total_memory")("A card", 24 * GIB)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setattr("torch.cuda.get_device_properties", lambda _: card)
    assert doctor.device().message == "A card (24 GiB), A card (24 GiB)"


def test_a_cache_that_cannot_be_written_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(bytes(3_000_000))
    for place, level in ((tmp_path, "ok"), (tmp_path / "file" / "below", "problem")):
        monkeypatch.setenv("HARNESS_CACHE", str(place))
        found = doctor.cache()
        assert found.level == level
        assert ("HARNESS_CACHE" in found.fix) == (level == "problem")
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    assert " holds 3 MB;" in doctor.cache().message


def test_weights_are_looked_for_where_torch_keeps_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    missing = list(doctor.weights())
    assert [each.level for each in missing] == ["warning", "warning"]
    for each in missing:
        assert "https://download.pytorch.org/models/" in each.fix
        assert str(tmp_path) in each.fix
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / "alexnet-owt-7be5be79.pth").touch()
    assert [each.level for each in doctor.weights()] == ["ok", "warning"]


def test_whole_databases_are_well_and_damaged_ones_are_not(searched: RunPaths) -> None:
    sqlite3.connect(searched.mlflow_db).execute("CREATE TABLE runs (id INTEGER)").connection.close()
    findings = list(doctor.stores(searched))
    assert [each.level for each in findings] == ["ok", "ok"]
    assert "1 in " in named(findings, "studies").message
    assert "마침" in named(findings, "studies").message
    for file in (searched.optuna_db, searched.mlflow_db):
        whole = file.read_bytes()
        file.write_bytes(b"no database at all, " * 400)
        assert named(
            list(doctor.stores(searched)), "mlflow" if "ml" in file.name else "studies"
        ).fix
        file.write_bytes(whole)


def test_a_study_of_a_newer_version_stays_where_it_is(searched: RunPaths) -> None:
    study = optuna.load_study(study_name="마침", storage=f"sqlite:///{searched.optuna_db}")
    study.set_user_attr("record_version", 99)
    found = named(list(doctor.stores(searched)), "studies")
    assert found.level == "problem"
    assert "it is intact" in found.message
    assert "update it with pip install --upgrade" in found.fix
    assert "move" not in found.fix


def test_the_command_ends_with_2_only_where_a_search_cannot_run(
    searched: RunPaths, monkeypatch: pytest.MonkeyPatch, in_process: InProcess
) -> None:
    words = ("doctor", "--run-dir", str(searched.root))
    monkeypatch.setattr(doctor, "memory", lambda: Finding("warning", "memory", "little", "mend"))
    code, said, _ = in_process(*words)
    assert code == 0
    assert "warning  memory      little\n" in said
    assert "fix: mend\n" in said
    searched.optuna_db.write_bytes(b"no database at all, " * 400)
    code, said, _ = in_process(*words)
    assert code == 2
    assert "problem  studies" in said
