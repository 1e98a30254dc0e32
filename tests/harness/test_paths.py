"""Files are written completely or not at all, with concurrent writers and in any folder."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from harness.cli.machine_checks import cache
from harness.data.pairs.cache import default_cache, writable_cache
from harness.errors import UserInputError
from harness.paths import (
    RunPaths,
    StudyPaths,
    TrainingPaths,
    check_file,
    check_writable,
    leftover_temporaries,
    lock_beside,
    replace_atomically,
    write_atomically,
)
from reports.page.report import write_report
from tests.synthetic_studies import make_study

InProcess = Callable[..., tuple[int, str, str]]
ROOT = Path(__file__).parents[2]


def test_two_containers_with_one_process_id_write_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In containers the first process has id 1 and folders may be shared: the last write wins."""
    monkeypatch.setattr(os, "getpid", lambda: 1)
    file = tmp_path / "best.yaml"
    with replace_atomically(file) as first:
        first.write_text("first")
        with replace_atomically(file) as second:
            assert second != first
            second.write_text("second")
        assert file.read_text() == "second"
        assert first.read_text() == "first"
    assert file.read_text() == "first"
    assert list(tmp_path.iterdir()) == [file]


def test_temporary_files_of_interrupted_writes_are_recognised(tmp_path: Path) -> None:
    file = tmp_path / "deeper" / "얼굴.png"
    with replace_atomically(file) as aside:
        aside.touch()
        assert leftover_temporaries(tmp_path) == [aside]
        assert aside.parent == file.parent
    assert leftover_temporaries(tmp_path) == []


def test_nothing_of_others_is_taken_for_a_temporary_file(tmp_path: Path) -> None:
    """It is removed. Neither is a link, whose target may be the user's, nor a folder."""
    ours = f".mine.{'0' * 32}.tmp"
    for name in (".mine.tmp", f"mine.{'0' * 32}.tmp", f".mine.{'g' * 32}.tmp", f"{ours}.png"):
        (tmp_path / name).touch()
    (tmp_path / "folder" / ours).mkdir(parents=True)
    (tmp_path / f".link.{'0' * 32}.tmp").symlink_to(tmp_path / ".mine.tmp")
    assert leftover_temporaries(tmp_path) == []
    (tmp_path / ours).touch()
    assert leftover_temporaries(tmp_path) == [tmp_path / ours]


def test_text_is_written_as_utf_8_whatever_is_in_it(tmp_path: Path) -> None:
    for content, body in (("얼굴\udcff", "얼굴\\udcff".encode()), (b"\xff\r\n", b"\xff\r\n")):
        write_atomically(tmp_path / "deeper" / "file", content)
        assert (tmp_path / "deeper" / "file").read_bytes() == body


@pytest.mark.parametrize(
    "name",
    [
        *("optuna.db", "OPTUNA.DB", "optuna.db-wal", "optuna.db-shm", "mlflow.db-journal"),
        *("mlflow.db", "Mlflow-Artifacts", "mlflow-server.log", "made-pairs", "Made-Pairs"),
    ],
)
def test_no_study_takes_the_place_of_what_all_studies_share(name: str) -> None:
    folder = RunPaths(Path("runs")).study(name).folder
    assert folder.parent == Path("runs")
    assert folder.name.startswith(f"{name}-")


def test_every_name_of_a_study_is_a_folder_of_its_own() -> None:
    names = ["mine", "a b", "a-b", "a/b", "../a", ".a", "a.", "...", "한글", "x" * 80]
    names += ["x" * 81, "x" * 82]
    folders = {name: RunPaths(Path("runs")).study(name).folder for name in names}
    assert len(set(folders.values())) == len(names)
    assert {folder.parent for folder in folders.values()} == {Path("runs")}
    for name in ("mine", "a-b", "한글", "x" * 80):
        assert folders[name].name == name
    assert max(len(folder.name) for folder in folders.values()) == 80 + 9
    assert folders["..."].name.startswith("study-")


def test_every_study_of_a_database_has_a_lock_beside_it(tmp_path: Path) -> None:
    """The same by whatever path the database is opened."""
    (tmp_path / "link.db").symlink_to(tmp_path / "one.db")
    places = [(tmp_path / file, study) for file in ("one.db", "two.db") for study in ("a", "b")]
    locks = {lock_beside(*place) for place in places}
    assert len(locks) == len(places)
    assert {lock.parent for lock in locks} == {tmp_path}
    assert lock_beside(tmp_path / "link.db", "a") == lock_beside(*places[0])


def test_no_two_files_of_a_study_have_one_name() -> None:
    """Networks are named as pix2pix names them."""
    study = StudyPaths(Path("mine"))
    start, training = study.warm_start, TrainingPaths(Path("out"))
    assert start.generator.name == "latest_net_G.pth"
    discriminators = [
        one.discriminator(layers, mode)
        for one in (start, start.other_kind)
        for layers in (2, 3)
        for mode in ("lsgan", "vanilla")
    ]
    files = [*study.files, study.warm_start_panel(), study.warm_start_panel(other=True)]
    files += [*discriminators, start.generator, start.other_kind.generator, start.damaged]
    files += [
        kind(number) for kind in (study.checkpoint, study.final_checkpoint) for number in (1, 2)
    ]
    files += [
        study.panel(1),
        study.panel(2),
        study.external.run("t001"),
        study.external.run("t002"),
    ]
    files += [study.external.inputs("val"), study.external.inputs("test"), study.external.pairs]
    assert len(set(files)) == len(files)
    assert {study.owner, study.best_yaml, study.report_html, study.outbox} < set(study.files)
    assert training.stage(1, 1).net("best", "D") == Path("out/best_net_D.pth")
    assert training.stage(1, 2).net(7, "G") == Path("out/stage1/7_net_G.pth")
    assert training.stage(2, 2).panel(7) == Path("out/stage2/panels/epoch_0007.png")


def test_what_cannot_be_written_is_refused_with_the_reason_and_the_option(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserInputError, match=r"file/x cannot be written \(Not a .*with --out DIR"):
        check_writable(tmp_path / "file" / "x", "--out")
    for place, option, words in (
        (tmp_path, "", r"cannot be written \(it is a folder\): name another file\.$"),
        (tmp_path / "file" / "x", "-o", r"\(Not a directory\): name another file with -o FILE\.$"),
    ):
        with pytest.raises(UserInputError, match=words):
            check_file(place, option)
    check_writable(tmp_path / "new" / "deep", "--out")
    check_file(tmp_path / "new" / "file")
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_the_temporary_file_of_a_killed_report_is_recognised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "replace", lambda *_: None)
    monkeypatch.setattr(Path, "unlink", lambda *_, **__: None)
    write_report(make_study(2), tmp_path / "report.html")
    assert leftover_temporaries(tmp_path) == list(tmp_path.iterdir())
    assert len(leftover_temporaries(tmp_path)) == 1


@pytest.mark.parametrize("name", ["x" * 255, "얼" * 85, "x.tmp"], ids=["ascii", "utf-8", "tmp"])
def test_the_longest_possible_name_is_written(name: str, tmp_path: Path) -> None:
    with replace_atomically(tmp_path / name) as aside:
        aside.write_text("whole")
    assert (tmp_path / name).read_text() == "whole"


def test_a_failing_block_leaves_the_file_unchanged(tmp_path: Path) -> None:
    file = tmp_path / "best.yaml"
    file.write_text("before")
    with pytest.raises(ZeroDivisionError), replace_atomically(file) as aside:  # noqa: PT012
        aside.write_text("half")
        raise ZeroDivisionError
    assert file.read_text() == "before"
    assert list(tmp_path.iterdir()) == [file]


@pytest.fixture
def no_cache_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HARNESS_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)


def homeless() -> NoReturn:
    raise RuntimeError("Could not determine home directory.")


@pytest.mark.usefixtures("no_cache_named")
class TestWithoutAHome:
    @pytest.fixture(autouse=True)
    def leave_home(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Path, "home", homeless)

    def test_a_search_names_the_variable_to_set(
        self, tmp_path: Path, in_process: InProcess
    ) -> None:
        words = ["search", "--dry-run", "--weights", "random", "--device", "cpu"]
        code, _, said = in_process(*words)
        assert code == 2
        assert "no home folder" in said
        assert "HARNESS_CACHE" in said
        assert list(tmp_path.iterdir()) == []

    def test_the_doctor_names_the_variable_too(self) -> None:
        found = cache()
        assert (found.level, found.what) == ("problem", "cache")
        assert "no home folder" in found.message

    def test_a_chosen_cache_is_used(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
        assert default_cache() == writable_cache() == tmp_path

    def test_a_space_named_by_the_home_folder_is_not_found(self, in_process: InProcess) -> None:
        code, _, said = in_process("spaces", "~nobody-of-that-name/mine.yaml")
        assert code == 2
        assert "is neither a file" in said


@pytest.mark.usefixtures("no_cache_named")
@pytest.mark.parametrize("name", ["HOME", "XDG_CACHE_HOME", "HARNESS_CACHE"])
def test_a_cache_that_cannot_be_written_is_one_sentence(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "/proc/nothing")
    with pytest.raises(
        UserInputError, match=r"The cache /proc/nothing.* cannot be written .*HARNES"
    ):
        writable_cache()


def test_without_a_home_no_weights_are_downloaded_into_a_folder_named_tilde(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from objectives.weights import try_download

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("torch.hub.get_dir", lambda: "~/.cache/torch/hub")
    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: pytest.fail("asked for"))
    assert not try_download("alexnet")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="workers are forked from a server there alone")
def test_a_long_tmpdir_leaves_room_for_the_workers_sockets(tmp_path: Path) -> None:
    """A socket address has 107 bytes, and multiprocessing creates sockets in TMPDIR."""
    folder = tmp_path / ("long" * 25)
    folder.mkdir()
    code = (
        "import tempfile, multiprocessing.forkserver as server\n"
        "from harness.trials.launchers.local import start_server\n"
        "start_server()\n"
        "print(len(server._forkserver._forkserver_address) <= 107, tempfile.gettempdir())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "TMPDIR": str(folder), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stderr == ""
    assert done.stdout.split() == ["True", str(folder)]
