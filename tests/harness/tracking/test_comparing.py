"""What MLflow's pages need to compare runs: the score first, few metrics, files of one name."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from driving import PIXEL
from mirroring import PARAMS, began, opened, pictures, study_store, tracker_of
from PIL import Image

from harness.tracking import server
from harness.tracking.metrics import metrics_of, table_of
from harness.tracking.outbox import Entry, Outbox
from harness.tracking.server import server_command
from harness.tracking.store import Ending
from harness.tracking.study_runs import StudyStore
from harness.trials.messages import Rung, TrialTask

DETAILS = dict.fromkeys(("lpips_noop", "ring_D", "r_0", "mae_outside", "n_scored"), 0.5)
COMPONENTS = {
    **DETAILS, "D": 0.1, "E": 0.2, "Lrel": 0.3, "lpips": 0.4, "laplacian_ratio": 0.7, "mae": 0.6,
}  # fmt: skip
LOSSES = {"G_GAN": 1.0, "G_L1": 2.0, "D_real": 3.0, "D_fake": 4.0, "G_Perceptual": 5.0}


def coloured(red: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (4, 4), (red, 0, 0)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def mirrored(runs: Path, tmp_path: Path) -> StudyStore:
    """Two trials, one of them pruned at its first rung, and a finalist."""
    tracker, warnings = tracker_of(study_store(runs), tmp_path / "out")
    for number, phase, steps in (
        (0, "search", (10, 20)),
        (1, "search", (10,)),
        (0, "final", (30,)),
    ):
        task = TrialTask(number, PARAMS, 0, phase)
        tracker.begin(task, {})
        for step in steps:
            value = step / 100
            rung = Rung(step, value, COMPONENTS | {"r_0": value}, LOSSES, coloured(step))
            tracker.rung(task, rung)
        tracker.end(task.name, Ending("KILLED", "pruned"))
    tracker.finish()
    assert warnings == []
    assert not (runs / "mlflow.db-wal").exists()  # what was written is in the file
    return opened(runs)


def artifact(store: StudyStore, run: str, path: str, folder: Path) -> bytes:
    return Path(store.client.download_artifacts(store.runs[run], path, str(folder))).read_bytes()


@pytest.mark.parametrize(("run", "score"), [("t000", "score"), ("f00", "score_held_out")])
def test_a_dozen_metrics_with_the_score_first(mirrored: StudyStore, run: str, score: str) -> None:
    metrics = mirrored.client.get_run(mirrored.runs[run]).data.metrics
    assert list(metrics) == [
        *(score, f"{score}/D", f"{score}/E", f"{score}/Lrel", f"{score}/lpips"),
        *(f"{score}/laplacian_ratio", f"{score}/mae"),
        *("train_loss/G_GAN", "train_loss/G_L1", "train_loss/D_real", "train_loss/D_fake"),
        "train_loss/G_Perceptual",
    ]
    # MLflow's pages sort metrics by name, and sections of charts too.
    assert min(sorted(metrics)) == score


def test_components_of_an_own_objective_are_all_metrics() -> None:
    found = metrics_of("score", 0.1, {"D": 1.0, "hue": 2.0}, {})
    assert found == {"score": 0.1, "score/D": 1.0, "score/hue": 2.0}


def test_every_run_has_the_same_files_with_the_latest_rung(
    mirrored: StudyStore, tmp_path: Path
) -> None:
    for run, step in (("t000", 20), ("t001", 10), ("f00", 30)):
        files = mirrored.client.list_artifacts(mirrored.runs[run])
        assert {file.path for file in files} == {"images", "panel.png", "scores.csv"}
        assert artifact(mirrored, run, "panel.png", tmp_path) == coloured(step)
        score = "score_held_out" if run == "f00" else "score"
        table = artifact(mirrored, run, "scores.csv", tmp_path).decode()
        rows = {row["name"]: float(row["value"]) for row in csv.DictReader(io.StringIO(table))}
        assert rows == {"step": step, score: step / 100, **COMPONENTS, "r_0": step / 100}


def test_the_latest_picture_is_at_step_0_where_the_image_grid_opens(
    mirrored: StudyStore, tmp_path: Path
) -> None:
    assert pictures(mirrored, mirrored.runs["t000"]) == [0, 10, 20]
    files = mirrored.client.list_artifacts(mirrored.runs["t000"], "images")
    shown = [file.path for file in files if "+step+0+" in file.path]
    assert len(shown) == 2
    (whole,) = (path for path in shown if path.endswith(".png"))
    assert artifact(mirrored, "t000", whole, tmp_path) == coloured(20)
    assert whole.removesuffix(".png") + "+compressed.webp" in shown
    assert mirrored.client.get_run(mirrored.runs["t000"]).data.tags["mlflow.loggedImages"] == "True"


def test_numbers_that_are_not_finite_and_odd_names_stay_one_row() -> None:
    table = table_of(5, {"score": float("nan"), "a,\nb": 1e-9, "D": 0.123456})
    rows = list(csv.reader(io.StringIO(table)))
    assert rows[:2] == [["name", "value"], ["step", "5"]]
    assert rows[2:] == [["score", "nan"], ["a,\nb", "1e-09"], ["D", "0.1235"]]


def test_a_study_of_an_earlier_version_goes_on_in_its_runs(runs: Path, tmp_path: Path) -> None:
    store = opened(runs)
    store.write([began(0, metrics={"param/lr": 1e-4})])
    # An entry that waits since then: it knows no scores, and has the four columns of a panel.
    old: dict[str, Any] = {"run": "t000", "metrics": {"score": 0.3, "loss/G_L1": 1.0}, "step": 10}
    waiting = Outbox(tmp_path / "out").put(Entry("t000"))
    waiting.write_bytes(json.dumps(old | {"at": 5}).encode() + b"\n" + PIXEL)
    tracker, warnings = tracker_of(study_store(runs), tmp_path / "out")
    tracker.rung(TrialTask(0, PARAMS, 0), Rung(20, 0.4, COMPONENTS, LOSSES, coloured(20)))
    tracker.finish()
    assert warnings == []
    later = opened(runs)
    assert later.runs == store.runs
    (run,) = later.search("tags.trial = '0'")
    assert run.data.metrics["score"] == 0.4
    assert run.data.metrics["loss/G_L1"] == 1.0
    assert pictures(later, run.info.run_id) == [0, 10, 20]
    assert artifact(later, "t000", "panel.png", tmp_path) == coloured(20)


@pytest.mark.parametrize("installed", [True, False])
def test_the_server_has_the_pages_where_they_are_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, installed: bool
) -> None:
    asked_for: list[dict[str, str]] = []

    def entry_points(**wanted: str) -> tuple[str, ...]:
        asked_for.append(wanted)
        return ("harness",) if installed else ()

    monkeypatch.setattr(server, "entry_points", entry_points)
    command = server_command(tmp_path / "mlflow.db", tmp_path, "http://127.0.0.1:5000")
    assert ("--app-name" in command) == installed
    store = f"sqlite:///{tmp_path}/mlflow.db"
    given = {word: command[place + 1] for place, word in enumerate(command[:-1])}
    assert given["--host"] == "127.0.0.1"  # nobody else's to see
    assert (given["--port"], given["--workers"]) == ("5000", "1")
    assert given["--backend-store-uri"] == given["--registry-store-uri"] == store
    assert given["--default-artifact-root"] == tmp_path.as_uri()
    assert asked_for == [{"group": "mlflow.app", "name": "harness"}]
