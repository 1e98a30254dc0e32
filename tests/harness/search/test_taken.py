"""What has the name, the folder or the database of a new search and is not its own stays whole."""

import json
from pathlib import Path

import optuna
import pytest
from driving import Instant, make_plan
from filelock import FileLock, Timeout
from optuna import Study
from searching import Heard, run, trials

import harness.search.search
from harness.cli.search import trials_done
from harness.console.events import Note
from harness.errors import UserInputError
from harness.paths import RunPaths, leftover_temporaries
from harness.search.explained import plan_lines, progress
from harness.search.open_database import opening_lock
from harness.search.stop_signals import StopSwitch
from harness.study import study as record
from harness.study.database import open_storage
from harness.study.folder import check_folder, owner_of
from harness.study.locks import only_driver_anywhere

pytestmark = pytest.mark.usefixtures("unmirrored")


def foreign(url: str, name: str, trials: int = 25) -> Study:
    """A study of somebody's own, without any of our marks."""
    study = optuna.create_study(study_name=name, storage=url)
    study.set_user_attr("created", "on a Monday")
    for number in range(trials):
        study.add_trial(optuna.create_trial(value=float(number)))
    return study


def contents(folder: Path) -> dict[str, bytes]:
    files = (file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


@pytest.mark.parametrize("trials", [25, 0], ids=["with trials", "empty"])
def test_another_programs_study_is_refused_by_name_and_nothing_is_written(
    tmp_path: Path, trials: int
) -> None:
    url = f"sqlite:///{tmp_path}/col.db"
    foreign(url, "fake", trials)
    plan = make_plan(tmp_path / "runs", storage=url)
    for attempt in (run, trials_done):
        with pytest.raises(
            UserInputError, match=r"a study fake that this search did not make.*--st"
        ):
            attempt(plan)
    assert len(optuna.load_study(study_name="fake", storage=url).trials) == trials
    assert not (tmp_path / "runs").exists()


def test_another_programs_study_in_the_run_folders_own_database_stays(tmp_path: Path) -> None:
    foreign(f"sqlite:///{tmp_path}/optuna.db", "fake")
    with pytest.raises(UserInputError, match="a study fake that this search did not make"):
        run(make_plan(tmp_path))
    assert len(trials(tmp_path)) == 25
    assert not (tmp_path / "fake").exists()


def test_a_study_of_ours_with_a_trial_that_ran_is_never_made_anew(tmp_path: Path) -> None:
    run(make_plan(tmp_path, budget=1))
    plan = make_plan(tmp_path)
    database = open_storage(f"sqlite:///{tmp_path}/optuna.db")
    with pytest.raises(UserInputError, match="a study fake"):
        record.create_study(database, "fake", plan.setup, plan.recipes)
    assert len(trials(tmp_path)) == len(plan.recipes)


def test_the_name_of_a_record_of_finalists_is_reserved(tmp_path: Path) -> None:
    run(make_plan(tmp_path, budget=20, finalists=1, repeats=2))
    name = "fake" + record.FINALISTS
    url = f"sqlite:///{tmp_path}/optuna.db"
    known = len(optuna.load_study(study_name=name, storage=url).trials)
    for taken in (name, "new" + record.FINALISTS):
        with pytest.raises(UserInputError, match=r"finalists\)"):
            run(make_plan(tmp_path, study=taken))
        with pytest.raises(UserInputError, match=r"finalists\)"):
            trials_done(make_plan(tmp_path, study=taken))
    assert len(optuna.load_study(study_name=name, storage=url).trials) == known == 4


def test_a_dry_run_counts_the_finalists_runs_as_the_search_does(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, budget=20, finalists=1, repeats=2)
    outcome = run(plan)
    assert trials_done(plan) == outcome.done == 20
    assert " ".join(plan_lines(plan, 20)[0].split()).endswith(
        ": finished after 20 trials; a --budget above 20 goes on"
    )
    assert progress(3, 2) == "finished after 3 trials; a --budget above 3 goes on"
    assert plan_lines(plan, 19)[0].endswith(": 19 of 20 trials are done")


def test_runs_of_finalists_count_once_the_trials_of_the_budget_are_done(tmp_path: Path) -> None:
    """A larger budget goes on with trials, after which the finalists may be others."""
    run(make_plan(tmp_path, budget=20, finalists=1, repeats=2))
    larger = make_plan(tmp_path, budget=30, finalists=1, repeats=2)
    assert trials_done(larger) == 16
    outcome = run(larger, stop_after=3)
    assert outcome.done == sum(outcome.counts[state] for state in ("complete", "pruned")) == 19
    assert run(larger).done == 30


def test_anothers_record_of_finalists_is_neither_counted_nor_used(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/optuna.db"
    name = "fake" + record.FINALISTS
    foreign(url, name)
    assert run(make_plan(tmp_path, budget=12)).final_runs == 0
    with pytest.raises(
        UserInputError, match=r"a study fake \(finalists\) that this search did not"
    ):
        run(make_plan(tmp_path, budget=20, finalists=1, repeats=2))
    assert len(optuna.load_study(study_name=name, storage=url).trials) == 25


def test_a_study_without_an_identity_is_refused(tmp_path: Path) -> None:
    run(make_plan(tmp_path, budget=1))
    storage = optuna.storages.RDBStorage(f"sqlite:///{tmp_path}/optuna.db")
    with storage.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM study_user_attributes WHERE key = 'identity'")
    (tmp_path / "fake" / "study.json").unlink()
    with pytest.raises(UserInputError, match=r"was begun before version 0\.2\.0 of this program"):
        run(make_plan(tmp_path, budget=2))


def test_the_files_of_a_deleted_study_are_moved_and_never_mixed(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, budget=9)
    run(plan)
    kept = contents(plan.paths.folder)
    optuna.delete_study(study_name="fake", storage=f"sqlite:///{tmp_path}/optuna.db")
    stop = StopSwitch(None)
    view = Heard(stop)
    again = make_plan(tmp_path, budget=2)
    outcome = harness.search.search.run_search(again, view, stop, Instant)
    assert outcome.counts["complete"] == 2
    told = f"Files of an earlier study of this name were moved to {plan.paths.folder}/earlier-1."
    assert Note(told) in view.events
    earlier = contents(plan.paths.folder / "earlier-1")
    for name in ("best.yaml", "report.html", "study.json"):
        assert earlier[name] == kept[name]
    assert {name for name in kept if name.startswith("checkpoints/")} <= earlier.keys()
    assert {file.name for file in plan.paths.checkpoints.iterdir()} <= {
        plan.paths.checkpoint(number).name for number in (0, 1)
    }


def test_one_folder_is_not_shared_by_studies_of_two_databases(tmp_path: Path) -> None:
    other = f"sqlite:///{tmp_path}/other.db"
    run(make_plan(tmp_path / "a", budget=3))
    run(make_plan(tmp_path / "b", budget=3, storage=other))
    left = contents(tmp_path / "a" / "fake")
    with pytest.raises(UserInputError, match="holds the files of another study named fake"):
        run(make_plan(tmp_path / "a", budget=4, storage=other))
    assert contents(tmp_path / "a" / "fake") == left


def test_a_folder_that_no_search_made_is_left_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "fake"
    (folder / "checkpoints" / "warm_start").mkdir(parents=True)
    (folder / "checkpoints" / "warm_start" / "latest_net_G.pth").write_text("mine")
    plan = make_plan(tmp_path)
    for attempt in (run, trials_done):
        with pytest.raises(UserInputError, match="was not made by a search and holds checkpoints"):
            attempt(plan)
    assert list(contents(folder)) == ["checkpoints/warm_start/latest_net_G.pth"]


def test_the_folder_of_a_driver_is_that_of_a_search_whoever_owns_it(tmp_path: Path) -> None:
    paths = make_plan(tmp_path).paths
    paths.checkpoints.mkdir(parents=True)
    paths.driver.touch()
    check_folder(paths, None)
    for damaged in ("half a fi", "[]", "{}", "3"):
        paths.owner.write_text(damaged)
        assert owner_of(paths) is None


def test_the_folder_knows_its_study(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, budget=1)
    run(plan)
    study = record.read_study(tmp_path)
    assert owner_of(plan.paths) == study.user_attrs["identity"]
    plan.paths.owner.write_text("half a fi")
    run(make_plan(tmp_path, budget=2))
    assert json.loads(plan.paths.owner.read_text())["identity"] == record.identity_of(study)


def test_only_files_that_we_began_aside_are_tidied_away(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, budget=1)
    run(plan)
    mine = plan.paths.folder / ".notes.tmp"
    ours = plan.paths.folder / ".best.yaml.0123456789abcdef0123456789abcdef.tmp"
    for file in (mine, ours):
        file.write_text("begun")
    assert leftover_temporaries(plan.paths.folder) == [ours]
    run(make_plan(tmp_path, budget=2))
    assert (mine.exists(), ours.exists()) == (True, False)


def test_two_run_folders_of_one_sqlite_file_are_searched_by_one_driver(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "link.db").symlink_to("shared.db")
    url = f"sqlite:///{tmp_path}/shared.db"
    run(make_plan(tmp_path / "a", budget=1, storage=url))
    with only_driver_anywhere(open_storage(url), "fake"):
        for spelt in ("shared.db", "link.db", "x/../shared.db"):
            second = make_plan(tmp_path / "b", budget=2, storage=f"sqlite:///{tmp_path}/{spelt}")
            with pytest.raises(UserInputError, match=r"already, by process \d+ on .*--study NAME"):
                run(second)
            assert not (tmp_path / "b").exists()
    with only_driver_anywhere(open_storage(url), "another"):
        run(second)
    assert len(record.read_study(storage=url).trials) == len(second.recipes)


def test_the_run_folders_database_is_locked_against_those_who_name_it(tmp_path: Path) -> None:
    run(make_plan(tmp_path, budget=1))
    with (
        only_driver_anywhere(open_storage(f"sqlite:///{tmp_path}/optuna.db"), "fake"),
        pytest.raises(UserInputError, match="searched already"),
    ):
        run(make_plan(tmp_path, budget=2))


@pytest.mark.parametrize("shared", [False, True])
def test_one_process_at_a_time_creates_the_database_of_a_folder(
    tmp_path: Path, shared: bool
) -> None:
    place = tmp_path / ("shared" if shared else "runs")
    place.mkdir()
    storage = f"sqlite:///{place}/mine.db" if shared else None
    with opening_lock(make_plan(tmp_path / "runs", storage=storage)):
        lock = FileLock(RunPaths(place).opening_lock, timeout=0)
        with pytest.raises(Timeout):
            lock.acquire()
    with lock:
        pass
    for url in (f"sqlite:///{tmp_path}/nowhere/x.db", "postgresql://host/db"):
        with opening_lock(make_plan(tmp_path / "other", storage=url)):
            assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    "name",
    [
        *("optuna.db", "optuna.db-wal", "optuna.db-shm", "optuna.db-journal", "Optuna.DB-wal"),
        *("mlflow.db", "mlflow.db-wal", "MLFLOW.db-shm", "mlflow-artifacts", "MLflow-server.log"),
        *(".opening.lock", "..", "."),
    ],
)
def test_no_study_has_the_folder_of_anything_else(tmp_path: Path, name: str) -> None:
    folder = RunPaths(tmp_path).study(name).folder
    assert folder.parent == tmp_path
    assert folder.name.casefold() != name.casefold()
    assert folder.name[0] != "."


def test_a_study_called_as_a_databases_log_does_not_harm_it(tmp_path: Path) -> None:
    for budget in (1, 2):
        run(make_plan(tmp_path, study="optuna.db-wal", budget=budget))
    assert len(record.read_study(tmp_path).trials) == len(make_plan(tmp_path).recipes)
