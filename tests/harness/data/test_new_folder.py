"""Folders of pairs: one process makes each, and they are whole or not there at all."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from planting import WritePairs

from harness.console.signals import STOP_SIGNALS
from harness.data.check.check import check, measure_all
from harness.data.check.mend import mend
from harness.data.files.new_folder import new_folder
from harness.data.files.pair_folders import find_pairs
from harness.data.synthesis.make_pairs import MakePlan, make_pairs
from harness.errors import UserInputError

InProcess = Callable[..., tuple[int, str, str]]
Writer = Callable[[Path], object]


@pytest.fixture
def originals(tmp_path: Path, write_pairs: WritePairs, monkeypatch: pytest.MonkeyPatch) -> Path:
    """For both commands; `data make` would refuse them for being pairs."""
    monkeypatch.setattr("harness.data.synthesis.make_pairs.halves_alike", lambda _: False)
    return write_pairs(tmp_path / "pairs")


@pytest.fixture(params=["data make", "data check --fix"])
def write(request: pytest.FixtureRequest, originals: Path) -> Writer:
    """A command that writes a folder of pairs."""
    if request.param == "data make":
        return lambda out: make_pairs(originals, 2, MakePlan(out, 96, 0), processes=1)
    found = find_pairs(originals)
    result = check(found, measure_all(found, 1), None)
    return lambda out: mend(result, out)


def test_a_folder_that_another_process_writes_is_refused_and_its_pairs_are_kept(
    tmp_path: Path, originals: Path, write: Writer
) -> None:
    out = tmp_path / "out"
    with new_folder(out, "--out") as aside:
        (aside / "00000.png").write_bytes(b"the first process's")
        with pytest.raises(
            UserInputError, match=r"Another process is writing pairs in .*out: .* with --(out|fix)"
        ):
            write(out)
    assert [file.read_bytes() for file in out.iterdir()] == [b"the first process's"]
    assert set(tmp_path.iterdir()) == {originals, out}
    with pytest.raises(UserInputError, match="exists already"):
        write(out)


def test_it_replaces_an_empty_folder_and_leaves_nothing_beside_it(
    tmp_path: Path, originals: Path, write: Writer
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (tmp_path / ".out.making").mkdir()  # of a killed process
    (tmp_path / ".out.making" / "99999.png").touch()
    write(out)
    assert find_pairs(out).splits
    assert not list(out.rglob("99999.png"))
    assert set(tmp_path.iterdir()) == {originals, out}


def test_a_folder_that_cannot_be_replaced_is_refused_before_anything_is_made(
    tmp_path: Path, write: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "out").symlink_to("real")
    monkeypatch.setattr("harness.data.check.mend.read_halves", None)
    monkeypatch.setattr("harness.data.synthesis.make_pairs.same_portraits", None)
    with pytest.raises(UserInputError, match=r"out cannot be written \(Not a directory\)"):
        write(tmp_path / "out")
    assert not list(tmp_path.glob(".out*"))


@pytest.mark.parametrize("number", STOP_SIGNALS)
@pytest.mark.parametrize(
    ("words", "place"),
    [
        (["make", "--originals", "pairs", "--out", "out", "--pairs", "2", "--size", "96"],
         "harness.data.synthesis.make_pairs.save_fields"),
        (["check", "pairs", "--fix", "out"], "harness.data.check.mend.read_halves"),
    ],
    ids=["make", "fix"],
)  # fmt: skip
def test_each_signal_that_stops_a_command_is_130_and_leaves_nothing(
    tmp_path: Path,
    originals: Path,
    words: list[str],
    place: str,
    number: int,
    in_process: InProcess,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Twice, as GNU timeout sends it: the second must not interrupt the cleaning up."""

    def stop(*_: object, **__: object) -> None:
        try:
            os.kill(os.getpid(), number)
        finally:
            os.kill(os.getpid(), number)

    monkeypatch.setattr(place, stop)
    code, _, said = in_process("data", *words)
    assert (code, said) == (130, "")
    assert list(tmp_path.iterdir()) == [originals]
