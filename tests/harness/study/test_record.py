"""The typed record: what is written is read back, by today's program and from an earlier one's."""

import gzip
import json
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml
from driving import make_plan
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from searching import run, without_mlflow
from typer.testing import CliRunner

from harness.cli.app import app
from harness.errors import UserInputError
from harness.study.study import finals_of, read_study
from reports.analysis.decision import decide
from reports.export.best_yaml import as_yaml, best_config
from reports.page.report import render
from reports.record.format import VERSION
from reports.record.study import StudyRecord
from reports.record.trial import Cause, FinalistRun, TrialRecord
from reports.texts.translations import translator

GOLDEN = Path(__file__).parents[2] / "golden"

texts = st.text('ab한 "{\\', max_size=6)
numbers = st.floats(allow_nan=False, allow_infinity=False)
parts = st.dictionaries(texts, numbers, max_size=3)
values = st.one_of(st.booleans(), st.integers(-(2**53), 2**53), numbers, texts)
rungs = st.fixed_dictionaries(
    {"step": st.integers(1, 10**6), "value": numbers, "components": parts, "losses": parts}
)
records = st.fixed_dictionaries(
    {},
    optional={
        "recipe": texts,
        "params": st.dictionaries(texts, values, max_size=5),
        "extras": st.dictionaries(texts, values, max_size=2),
        "seed": st.integers(0, 2**53),
        "rungs": st.lists(rungs, max_size=2),
        "components": parts,
        "seconds": numbers,
        "mlflow_run": st.none() | texts,
        "per_image": st.lists(
            st.fixed_dictionaries({"name": texts, "score": numbers, "D": numbers})
        ),
        "cause": st.sampled_from(list(Cause)),
        "reason": texts,
    },
)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> optuna.Study:
    url = f"sqlite:///{tmp_path_factory.mktemp('record')}/optuna.db"
    return optuna.create_study(storage=url)


@settings(max_examples=8, deadline=None, phases=[Phase.generate])
@given(noted=records)
def test_a_trial_is_read_from_the_database_as_it_was_noted(
    database: optuna.Study, noted: dict[str, Any]
) -> None:
    trial = database.ask()
    TrialRecord.note(trial, **noted)
    stored = optuna.load_study(study_name=database.study_name, storage=database._storage)
    found = TrialRecord.of(stored.get_trials(deepcopy=False)[trial.number])
    assert found.model_dump(include=set(noted), exclude_unset=True) == noted
    assert repr(found.params) == repr(noted.get("params"))  # 1, 1.0 and True stay what they are


def of_version_1(folder: Path) -> Path:
    """A run folder with a study that version 1 left: every ending, finalists, both generators."""
    with closing(sqlite3.connect(folder / "optuna.db")) as file:
        file.executescript(
            gzip.decompress((GOLDEN / "study_of_version_1.sql.gz").read_bytes()).decode()
        )
    return folder


def test_a_study_of_version_1_is_read(tmp_path: Path) -> None:
    study = read_study(of_version_1(tmp_path))
    causes = Counter(TrialRecord.of(trial).cause for trial in study.trials)
    assert causes == {
        None: 14, Cause.PRUNED: 5, Cause.DIVERGED: 2, Cause.OUT_OF_MEMORY: 1, Cause.FAILED: 1,
    }  # fmt: skip
    record = StudyRecord.of(study)
    assert record.finalists is not None
    assert record.finalists.baseline == "recommended"
    assert record.setup.trainer == "builtin"
    runs = finals_of(study)
    assert runs is not None
    names = {FinalistRun.of(trial).finalist for trial in runs.trials}
    assert names == {row.name for row in record.finalists.rows}
    assert decide(study, translator("en")).sentence in render(study)


def test_best_yaml_of_version_1_is_what_that_version_wrote(tmp_path: Path) -> None:
    """But for the name of the guide's recommended recipe, and what `train` and `as_is` gained."""
    then = yaml.safe_load((GOLDEN / "study_of_version_1.yaml").read_text())
    now = yaml.safe_load(as_yaml(best_config(read_study(of_version_1(tmp_path)))))
    for config in (then, now):
        for part in (config, config["as_is"]):
            part["verdict"] = part["verdict"].replace(
                "best-recipe", "the guide's recommended setting"
            )
            for key in ("command", "full_command", "needs", "notes", "checkpoint", "decision"):
                del part[key]
    then["baseline"]["recipe"] = "recommended"
    for part in (now, now["as_is"]):
        assert part["train"].pop("warm_start_lr_warp") == 2e-4
    assert list(now["train"]) == list(then["train"])
    assert now["as_is"].pop("train") == now["train"] | {"netG": now["as_is"]["netG"]}
    assert now == then


@pytest.mark.usefixtures("unmirrored")
def test_a_study_of_version_1_goes_on_and_gets_the_version(tmp_path: Path) -> None:
    run(make_plan(tmp_path, both=True, budget=4), stop_after=2)
    forget(tmp_path, "record_version", "trainer", "program", "repository")
    outcome = run(make_plan(tmp_path, both=True, budget=4))
    assert outcome.done == 4
    study = read_study(tmp_path)
    assert study.user_attrs["record_version"] == VERSION
    assert study.user_attrs["trainer"] == "builtin"


def forget(folder: Path, *keys: str) -> None:
    with closing(sqlite3.connect(folder / "optuna.db")) as file, file:
        for key in keys:
            file.execute("DELETE FROM study_user_attributes WHERE key = ?", (key,))


def change(folder: Path, table: str, key: str, value: str) -> None:
    """Put another JSON value in the place of an attribute of the study, or of its last trial."""
    with closing(sqlite3.connect(folder / "optuna.db")) as file, file:
        file.execute(
            f"UPDATE {table}_user_attributes SET value_json = ? WHERE key = ? "
            f"AND {table}_id = (SELECT max({table}_id) FROM {table}_user_attributes WHERE key = ?)",
            (value, key, key),
        )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    with without_mlflow():
        run(make_plan(folder, budget=3))
    return folder / "optuna.db"


def copied(whole: Path, folder: Path) -> Path:
    file = folder / "optuna.db"
    with closing(sqlite3.connect(whole)) as source, closing(sqlite3.connect(file)) as copy:
        source.backup(copy)
    return file


def search_on(folder: Path) -> None:
    run(make_plan(folder, budget=5))


def command(name: str) -> Callable[[Path], None]:
    def invoke(folder: Path) -> None:
        done = CliRunner().invoke(app, [name, "--run-dir", str(folder)])
        assert done.exception is not None
        raise done.exception

    return invoke


READERS = [command("status"), command("export"), command("report"), search_on]


@pytest.mark.usefixtures("unmirrored")
@pytest.mark.parametrize("read", READERS, ids=["status", "export", "report", "search"])
@pytest.mark.parametrize(
    ("table", "key", "value", "sentence"),
    [
        (
            "study",
            "record_version",
            "99",
            "was written by a newer version .*version 99.* update it",
        ),
        ("study", "budget", '"many"', r"is damaged: `budget` of study fake is 'many' \(should be"),
        ("study", "data", '{"n_val": 2}', "is damaged: `data.digest` of study fake is missing"),
        ("trial", "seconds", '"long"', r"is damaged: `seconds` of trial 2 is 'long' \(should be"),
        ("trial", "rungs", '[{"step": 1}]', "is damaged: `rungs.0.value` of trial 2 is missing"),
        ("trial", "params", '{"lr": [1]}', r"is damaged: `params.lr` of trial 2 is \[1\]"),
    ],
)
def test_what_cannot_be_read_is_named_in_one_sentence(
    whole: Path,
    tmp_path: Path,
    table: str,
    key: str,
    value: str,
    sentence: str,
    read: Callable[[Path], None],
) -> None:
    file = copied(whole, tmp_path)
    change(tmp_path, table, key, value)
    before = file.read_bytes()
    with pytest.raises(UserInputError, match=sentence) as refused:
        read(tmp_path)
    assert "\n" not in str(refused.value)
    assert refused.value.exit_code == 2
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    ("table", "key", "value", "reason"),
    [
        ("study", "budget", '"many"', "`budget` of study other is 'many'"),
        ("trial", "seconds", "no JSON", "is damaged (Expecting value"),
    ],
)
def test_one_damaged_study_does_not_hide_the_others(
    whole: Path, tmp_path: Path, table: str, key: str, value: str, reason: str
) -> None:
    url = f"sqlite:///{copied(whole, tmp_path)}"
    optuna.copy_study(
        from_study_name="fake", from_storage=url, to_storage=url, to_study_name="other"
    )
    change(tmp_path, table, key, value)

    def status(*words: str) -> Any:
        return CliRunner().invoke(app, ["status", "--run-dir", str(tmp_path), *words])

    listed = status("--json")
    assert listed.exit_code == 0
    assert [study["study"] for study in json.loads(listed.stdout)] == ["fake"]
    assert listed.stderr.startswith("Study other cannot be read: ")
    assert reason in listed.stderr
    assert status("--study", "fake").stderr == ""
    refused = status("--study", "other").exception
    assert isinstance(refused, UserInputError)
    assert reason in str(refused)
    with pytest.raises(UserInputError, match=r"several studies \(fake, other\)"):
        read_study(tmp_path)
    assert read_study(tmp_path, "fake").study_name == "fake"
