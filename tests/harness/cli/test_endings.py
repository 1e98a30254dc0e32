"""How commands end: exit codes, and messages without passwords."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.config.settings import SearchConfig
from harness.errors import UserInputError

InProcess = Callable[..., tuple[int, str, str]]

NAMED = "postgresql://me:s3cret@host/studies"
# Of what a user can choose wrongly: a name, a link, a folder, its rights or its disk's.
UNUSABLE = (errno.ENAMETOOLONG, errno.ELOOP, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR)


@pytest.mark.parametrize("command", ["search", "train", "compare"])
@pytest.mark.parametrize(("ended", "code"), [("user", 130), ("timeout", 0)])
def test_what_the_user_stopped_ends_with_130(
    in_process: InProcess,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    ended: str,
    code: int,
) -> None:
    planned: list[SearchConfig] = []

    def stopped(*_: object) -> SimpleNamespace:
        return SimpleNamespace(stopped=ended, ended={"user": "stopped"}.get(ended, "done"))

    def lines(*_: object) -> list[str]:
        return ["how it ended"]

    monkeypatch.setattr("harness.search.search.search", stopped)
    monkeypatch.setattr("harness.search.search.run_search", stopped)
    monkeypatch.setattr("harness.full_training.train.train_fully", stopped)
    monkeypatch.setattr("harness.search.comparison.plan_comparison", lambda _, c: planned.append(c))
    for name in ("result.as_lines", "result.confirmation"):
        monkeypatch.setattr(f"harness.search.{name}", lines)
    for name in ("decision_lines", "next_lines"):
        monkeypatch.setattr(f"harness.search.result.{name}", lambda _: [])
    monkeypatch.setattr("harness.full_training.train.last_lines", lines)
    words = {"train": ["a.yaml", "--out", "new"], "compare": ["a", "b", "--repeats", "4"]}
    found = in_process(command, *words.get(command, ["--quiet"]))
    assert (found[0], found[1].strip()) == (code, "how it ended")
    assert [config.budget for config in planned] == ([8] if command == "compare" else [])


@pytest.mark.parametrize(
    ("raised", "code"), [(UserInputError(f"{NAMED} is away"), 2), (ValueError(NAMED), 1)]
)
def test_no_message_report_or_traceback_shows_a_password(
    in_process: InProcess, monkeypatch: pytest.MonkeyPatch, raised: Exception, code: int
) -> None:
    def fail(*_: object) -> None:
        raise raised

    monkeypatch.setattr("search_spaces.space.load_space", fail)
    texts = [in_process("spaces", *words) for words in ((), ("--debug",))]
    assert [found[0] for found in texts] == [code, code]
    written = [said for _, _, said in texts]
    if code == 1:
        report = Path(written[0].partition("the report is in ")[2].partition(";")[0])
        written.append(report.read_text())
        report.unlink()
    for text in written:
        assert "s3cret" not in text
    assert "***@host/studies" in written[-1]


@pytest.mark.parametrize("number", UNUSABLE, ids=errno.errorcode.get)
def test_a_path_that_cannot_be_used_is_the_users_to_change(
    in_process: InProcess, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number), "the folder/file")

    monkeypatch.setattr("search_spaces.space.load_space", fail)
    code, _, said = in_process("spaces")
    why = os.strerror(number)
    assert (code, said) == (
        2,
        f"harness: the folder/file cannot be used ({why}): choose another.\n",
    )
