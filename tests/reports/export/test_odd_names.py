"""Names that are no UTF-8, or that no terminal shows: in commands, files and the report."""

import os
import subprocess
from pathlib import Path

import pytest
import yaml

from reports.commands.train_py import quoted
from reports.export.best_yaml import as_script, as_yaml, best_config
from reports.page.report import write_report
from tests.synthetic_studies import make_study, study_attrs

CP949 = os.fsdecode("얼굴 사진".encode("cp949"))
ODD = [
    CP949,
    "it's \\ 'so' " + CP949,
    "two\nlines",
    "\x1b[31mred",
    "tab\tand $(echo no)\x07",
    "\xa0",
]


@pytest.mark.parametrize("word", [*ODD, "plain", "얼굴 사진", "", "$HOME 'x'"], ids=ascii)
def test_bash_reads_a_quoted_word_as_it_was(word: str) -> None:
    text = quoted(word)
    assert text.isprintable()
    said = subprocess.run(["bash", "-c", f"printf %s {text}"], capture_output=True, check=True)
    assert said.stdout == os.fsencode(word)


@pytest.mark.parametrize("name", ODD, ids=ascii)
def test_the_exported_dataroot_is_the_folder(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    (folder / "train").mkdir(parents=True)
    study = make_study(9, data=study_attrs()["data"] | {"folder": str(folder)})
    config = best_config(study, 2)
    text = as_yaml(config)
    (tmp_path / "best.yaml").write_text(text, encoding="utf-8")
    assert yaml.safe_load(text) == config
    script = tmp_path / "train.sh"
    script.write_text(as_script(config), encoding="utf-8")
    (tmp_path / "python").write_text('#!/bin/sh\n[ "$2" = --dataroot ] && ls -d "$3/train"\n')
    (tmp_path / "python").chmod(0o755)
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    said = subprocess.run(["bash", script], capture_output=True, check=True, env=path)
    assert said.stdout == os.fsencode(folder / "train") + b"\n"


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_there_is_a_report(tmp_path: Path, lang: str) -> None:
    folder = tmp_path / CP949
    folder.mkdir()
    study = make_study(9, data=study_attrs()["data"] | {"folder": str(folder)}, host=CP949)
    write_report(study, folder / "report.html", lang)
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "--dataroot" in page
    assert ascii(CP949)[1:-1] in page
