"""Lists of pairs of spreadsheets and scripts: read, or refused with their columns."""

import json
import os
from pathlib import Path

import pytest

from harness.data.files.pair_folders import PairFiles, find_pairs
from harness.data.pairs.cache import fingerprints
from harness.errors import UserInputError

WANTED = [("x/1.png", "y/1.png", "train"), ("x/2.png", "y/2.png", "val")]
PLAIN = "a,b,split\nx/1.png,y/1.png,train\nx/2.png,y/2.png,val\n"


def listed(folder: Path, body: bytes, name: str = "pairs.csv") -> list[tuple[str, str, str]]:
    (folder / name).write_bytes(body)
    found = find_pairs(folder / name)
    return [
        (pair.name, str(pair.b and pair.b.relative_to(folder)), split)
        for split, pairs in found.splits.items()
        for pair in pairs
    ]


@pytest.mark.parametrize(
    "body",
    [
        PLAIN.encode(),
        PLAIN.replace(",", ";").encode(),
        PLAIN.replace(",", "\t").encode("utf-16"),
        ("\ufeff" + PLAIN).encode("utf-16-be"),
        PLAIN.replace("a,b,split", "A, B ,Split").encode("utf-8-sig"),
        (PLAIN + ",,\n \n").encode(),
        PLAIN.replace("/", "\\").encode(),
        PLAIN.replace("val", "Validation").encode(),
        PLAIN.replace("\n", ",\n").encode(),
        PLAIN.replace("a,b", "note,a,b").replace("x/", "mine,x/").encode(),
    ],
    ids=[
        "plain",
        "semicolons",
        "UTF-16 tabs",
        "UTF-16 big-endian",
        "headers",
        "empty last row",
        "backslashes",
        "validation",
        "a separator at every end",
        "a column of the user's",
    ],
)
def test_lists_of_spreadsheets_are_read(tmp_path: Path, body: bytes) -> None:
    assert listed(tmp_path, body) == WANTED


def test_splits_stand_in_their_order_whatever_that_of_the_rows(tmp_path: Path) -> None:
    """It decides the order of the prepared pairs, and so whether a study goes on."""
    head, *rows = PLAIN.splitlines()
    body = "\n".join([head, "x/3.png,y/3.png,test", *reversed(rows)])
    assert listed(tmp_path, body.encode()) == [*WANTED, ("x/3.png", "y/3.png", "test")]


def test_json_lines_with_other_headers_and_backslashes(tmp_path: Path) -> None:
    rows = [{"A": a.replace("/", "\\"), "B": b, "Split": s, "n": 5} for a, b, s in WANTED]
    body = "\r\n".join(json.dumps(row) for row in rows).encode("utf-16")
    assert listed(tmp_path, body, "pairs.jsonl") == WANTED


def test_a_backslash_that_belongs_to_a_name_stays(tmp_path: Path) -> None:
    (tmp_path / "x\\1.png").touch()
    assert listed(tmp_path, b"a\nx\\1.png\n")[0][0] == "x\\1.png"


@pytest.mark.parametrize("ending", ["tsv", "txt"])
def test_tables_of_other_endings_are_read(tmp_path: Path, ending: str) -> None:
    assert listed(tmp_path, PLAIN.replace(",", "\t").encode(), f"my.{ending}") == WANTED


def test_a_list_that_korean_excel_saved_finds_its_files(tmp_path: Path) -> None:
    (tmp_path / "보정 전").mkdir()
    (tmp_path / "보정 전" / "초상.png").touch()
    found = listed(tmp_path, "a,b\n보정 전\\초상.png,없음.png\n".encode("cp949"))
    assert found[0][0] == "보정 전/초상.png"


def test_names_that_are_not_utf8_find_their_files(tmp_path: Path) -> None:
    name = "초상.png".encode("cp949")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(b"here")
    (tmp_path / "pairs.csv").write_bytes(b"a\n" + name + b"\n")
    (pair,) = find_pairs(tmp_path).splits["train"]
    assert pair.a.read_bytes() == b"here"
    pair.name.encode("utf-8")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("input;target\n1.png;2.png\n", "its columns are 'input', 'target'; a list of pairs needs"),
        ("1.png,2.png\n", "its columns are '1.png', '2.png'"),
        ("", "its columns are none"),
        ("a,b,A\n1.png,2.png,3.png\n", "the column 'a' twice"),
        ("a,b\nx,1.png,2.png\n", "row 1 has 3 cells, but the first line has 2"),
        ("a,b\n1.png\n,2.png\n", "row 2 names no file in column `a`"),
        ('a\n"1\0.png"\n', "pairs.csv cannot be read as a list of pairs"),
    ],
)
def test_other_tables_are_refused(tmp_path: Path, body: str, message: str) -> None:
    with pytest.raises(UserInputError) as caught:
        listed(tmp_path, body.encode())
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('{"left": "1.png"}', "row 1 has the keys 'left'; a list of pairs needs the column `a`"),
        ('{"a": 5}', "`a` is 5, which is not a file name"),
        ('["1.png", "2.png"]', "row 1 is not a JSON object"),
        ('{"a": "1\\u0000.png"}', "which is not a file name"),
        ('{"a": "\\ud800.png"}', "cannot be read as a list of pairs"),
        ("[" * 100_000, "cannot be read as a list of pairs"),
    ],
)
def test_other_json_is_refused(tmp_path: Path, body: str, message: str) -> None:
    with pytest.raises(UserInputError) as caught:
        listed(tmp_path, body.encode(), "pairs.jsonl")
    assert message in str(caught.value)


def test_a_pipe_in_a_list_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "1.png")
    (tmp_path / "pairs.csv").write_text("a\n1.png\n")
    found = find_pairs(tmp_path)
    assert found.splits["train"] == (PairFiles("1.png", tmp_path / "1.png"),)
    assert list(fingerprints(found)) == ["train\n1.png", "unreadable: UserInputError"]
