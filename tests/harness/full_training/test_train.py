"""`harness train`: its files, its stages, early stopping, initial weights."""

import csv
import errno
import itertools
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import by_hand
import pytest
import torch

from harness.config.best_config import read_best_config
from harness.data.pairs.pair_set import PairSet, load_dataset
from harness.data.pairs.prepare import prepare_data
from harness.data.pairs.sizing import centred_crop
from harness.errors import HarnessError, UserInputError
from harness.full_training.stage import StageRun
from harness.full_training.train import run_stages, train_fully
from harness.full_training.view import (
    EpochEnded,
    PlainTrainingView,
    Remark,
    Scored,
    StageBegan,
)
from harness.paths import TrainingPaths, TrainingStagePaths
from harness.tracking.outbox import Ending
from harness.training.epochs import Schedule
from harness.training.networks import build_discriminator, build_generator
from reports.export.best_yaml import as_yaml, best_config
from tests.harness.full_training.helpers import (
    STAGES,
    RecordingView,
    make_config,
    mlflow_run,
    same,
    weights,
)
from tests.harness.portraits import write_best
from tests.synthetic_studies import make_study

ROOT = Path(__file__).parents[3]


def test_files_have_pix2pix_s_names_and_load_as_its_networks(
    finished: tuple[Path, RecordingView],
) -> None:
    folder, _ = finished
    names = {file.name for file in folder.glob("*.pth")}
    epochs = ("latest", "best", "2", "4")
    assert names == {f"{epoch}_net_{net}.pth" for epoch in epochs for net in "GD"}
    train = read_best_config(folder.parent / "best.yaml").train
    for net, built in (("G", build_generator(train, 0)), ("D", build_discriminator(train, 2, 0))):
        built.load_state_dict(weights(folder / f"latest_net_{net}.pth"))
    assert (folder / "panels" / "epoch_0004.png").stat().st_size > 1000


def test_losses_fall_and_scores_are_reported(finished: tuple[Path, RecordingView]) -> None:
    _, view = finished
    checks = view.of(Scored)
    assert [check.epoch for check in checks] == [1, 2, 3, 4]
    assert all(0 < check.score <= 1 and check.train_score is not None for check in checks)
    losses = [event.losses["G_L1"] for event in view.of(EpochEnded)]
    assert losses[-1] < losses[0]
    assert view.of(StageBegan)[0].noop > 0


def test_scores_equal_those_of_the_saved_networks(
    finished: tuple[Path, RecordingView], pairs: Path, tmp_path: Path
) -> None:
    """Scores of the averaged generator, on all validation pairs and on as many training pairs."""
    folder, view = finished
    train = read_best_config(folder.parent / "best.yaml").train
    dataset = load_dataset(prepare_data(pairs, "AtoB", train, tmp_path).file)
    few = [centred_crop(dataset.train[index], train.crop_size) for index in (0, 1)]
    rows = list(csv.DictReader((folder / "history.csv").open()))
    assert [int(row["epoch"]) for row in rows] == [1, 2, 3, 4]
    for epoch in (2, 4):
        generator = build_generator(train, 0)
        generator.load_state_dict(weights(folder / f"{epoch}_net_G.pth"))
        for column, judged in (("score", dataset.val), ("train_score", PairSet.of(few))):
            restored = by_hand.restored_by(generator, judged)
            expected = by_hand.scored(judged, restored).value
            assert float(rows[epoch - 1][column]) == pytest.approx(expected, rel=1e-4)
    unchanged = torch.stack(dataset.val.retouched).float() / 255
    noop = by_hand.scored(dataset.val, unchanged).value
    assert view.of(StageBegan)[0].noop == pytest.approx(noop, rel=1e-5)
    best = max(rows, key=lambda row: float(row["score"]))
    assert [event.epoch for event in view.of(Scored) if event.best][-1] == int(best["epoch"])
    if int(best["epoch"]) in (2, 4):
        assert same(
            weights(folder / "best_net_G.pth"), weights(folder / f"{best['epoch']}_net_G.pth")
        )


def test_the_learning_rate_falls_after_the_epochs_at_full_rate(
    finished: tuple[Path, RecordingView],
) -> None:
    _, view = finished
    rates = [event.lr for event in view.of(EpochEnded)]
    assert rates == pytest.approx([4e-4, 4e-4, 4e-4 * 2 / 3, 4e-4 / 3])


def test_one_mlflow_run_contains_every_epoch(
    finished: tuple[Path, RecordingView], run_dir: Path
) -> None:
    client, run = mlflow_run(run_dir, finished[0])
    assert run.info.status == "FINISHED"
    history = client.get_metric_history(run.info.run_id, "train_loss/G_L1")
    assert [point.step for point in history] == [1, 2, 3, 4]
    assert len(client.get_metric_history(run.info.run_id, "score")) == 4
    files = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert files == {"images", "panel.png", "scores.csv"}
    assert run.data.params["lambda_L1"] == "100.0"
    assert run.info.run_name == "train out"
    known = {"study": "portraits", "weights": "random", "device": "cpu", "role": "training"}
    known |= {"state": "finished", "objective": "boundary_sharpness"}
    assert known.items() <= run.data.tags.items()


def test_the_second_stage_starts_from_the_weights_of_the_first(
    tmp_path: Path, pairs: Path, run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_best(tmp_path / "best.yaml", stages=STAGES)
    initial: list[dict[str, dict[str, torch.Tensor]]] = []
    train = StageRun.train

    def record(run: StageRun, *rest: Any) -> Any:
        model = run.training.model
        nets = {"G": model.generator, "D": model.discriminator}
        initial.append(
            {key: {n: v.clone() for n, v in net.state_dict().items()} for key, net in nets.items()}
        )
        outcome = train(run, *rest)
        for name in "GD":  # the next stage begins with the last weights, as in train.py
            run.paths.net("best", name).unlink()  # type: ignore[arg-type]
        return outcome

    monkeypatch.setattr(StageRun, "train", record)
    view = RecordingView()
    train_fully(make_config(tmp_path, pairs, epochs=None, epochs_decay=None), view)
    for net in "GD":
        first = weights(tmp_path / "out" / "stage1" / f"latest_net_{net}.pth")
        assert same(initial[1][net], first)
        assert not same(initial[0][net], first)
    assert [(e.size, e.epochs) for e in view.of(StageBegan)] == [(128, 1), (256, 2)]
    client, run = mlflow_run(run_dir, tmp_path / "out")
    rates = client.get_metric_history(run.info.run_id, "lr")
    assert [(m.step, m.value) for m in rates] == [
        (1, 4e-4),
        (2, pytest.approx(1e-4)),
        (3, pytest.approx(5e-5)),
    ]


def test_every_stage_counts_on_from_all_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow's steps: the epochs of all stages in a row."""
    begun = []

    def stage_run(plan: Any, stage: Any, objective: Any, weights: Any, before: int) -> Any:
        begun.append(before)
        return SimpleNamespace(train=lambda *_: SimpleNamespace(ended="finished"))

    monkeypatch.setattr("harness.full_training.train.StageRun", stage_run)
    monkeypatch.setattr("harness.full_training.train.load_objective", lambda *_: None)
    paths = TrainingStagePaths(Path("nowhere"))
    stages = [SimpleNamespace(schedule=Schedule(n, n), paths=paths) for n in (3, 5, 7)]
    plan: Any = SimpleNamespace(stages=stages, objective="", weights="", device="cpu")
    plan.config = SimpleNamespace(init_from=())
    nothing: Any = None
    run_stages(plan, nothing, nothing, nothing)
    assert begun == [0, 6, 16]


@pytest.mark.parametrize(
    ("end", "recorded", "raised"),
    [
        ("finished", Ending("FINISHED", "finished"), None),
        ("early", Ending("FINISHED", "early"), None),
        ("stopped", Ending("KILLED", "stopped", "stopped by user"), None),
        (HarnessError("it diverged"), Ending("FAILED", "failed", "it diverged"), "^it diverged$"),
        (ValueError("a fault"), Ending("FAILED", "failed", "the training failed"), "^a fault$"),
        (
            OSError(errno.ENOSPC, "no space"),
            Ending("FAILED", "failed", "the training failed"),
            "^The disk that holds .*out is full: .* the same command again to continue",
        ),
    ],
)
def test_mlflow_is_told_how_a_training_ended(
    end: str | Exception,
    recorded: Ending,
    raised: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def run_stages(*_: Any) -> Any:
        if isinstance(end, Exception):
            raise end
        return SimpleNamespace(ended=end)

    told: list[Ending] = []
    config: Any = SimpleNamespace(out=tmp_path / "out")
    plan = SimpleNamespace(paths=TrainingPaths(config.out), facts={}, epochs=1)
    for name, stand_in in (
        ("plan_training", lambda _: plan),
        ("opening_lines", lambda _: ()),
        ("open_tracker", lambda *_: SimpleNamespace(close=told.append)),
        ("run_stages", run_stages),
    ):
        monkeypatch.setattr(f"harness.full_training.train.{name}", stand_in)
    if raised is None:
        assert train_fully(config, RecordingView()).ended == end
    else:
        with pytest.raises(Exception, match=raised):
            train_fully(config, RecordingView())
    assert told == [recorded]
    assert [file.name for file in config.out.iterdir()] == ["training.yaml"]


def test_denormals_are_flushed_during_training_only(
    tmp_path: Path, pairs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are slow; afterwards the setting of the calling Python program is restored."""

    def flushed() -> bool:
        return sys.float_info.min / 2 == 0

    during = []

    def train(*_: Any) -> None:
        during.append(flushed())
        raise HarnessError("enough")

    monkeypatch.setattr(StageRun, "train", train)
    before = flushed()
    with pytest.raises(HarnessError, match="enough"):
        train_fully(make_config(tmp_path, pairs), RecordingView())
    assert (before, during, flushed()) == (False, [True], False)


def test_it_stops_early_when_nothing_improves(tmp_path: Path, pairs: Path) -> None:
    """With a learning rate of almost zero, no later score is better than the first."""
    write_best(tmp_path / "best.yaml", params={"lr": 1e-30, "lambda_perceptual": 0})
    config = make_config(tmp_path, pairs, epochs=50, epochs_decay=0, patience=2, save_every=50)
    view = RecordingView()
    outcome = train_fully(config, view)
    assert (outcome.ended, outcome.epoch) == ("early", 3)
    assert any("Stopped early" in remark.text for remark in view.of(Remark))
    assert train_fully(config, RecordingView()).epoch == 3


def test_a_user_s_own_objective_chooses_the_best_epoch(
    tmp_path: Path, pairs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The objective of the documentation, which is minimised, in the current folder."""
    page = (ROOT / "docs" / "objectives.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert code is not None
    (tmp_path / "by_mean_error.py").write_text(code[1], encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    write_best(tmp_path / "best.yaml", provenance={"objective": "by_mean_error:make"})
    own = make_config(tmp_path, pairs, epochs=3, epochs_decay=0, objective="by_mean_error:make")
    outcome = train_fully(own, RecordingView())
    scores = [row["score"] for row in outcome.history.rows]
    assert outcome.history.best is not None
    assert outcome.history.best["score"] == min(scores) < max(scores)
    other = make_config(tmp_path, pairs, epochs=3, epochs_decay=0, objective="boundary_sharpness")
    with pytest.raises(UserInputError, match="a training with other objective"):
        train_fully(other, RecordingView())


def test_divergence_ends_in_one_sentence(tmp_path: Path, pairs: Path) -> None:
    write_best(tmp_path / "best.yaml", params={"lr": 1e20, "lambda_perceptual": 0})
    with pytest.raises(HarnessError, match=r"diverged.*Lower lr"):
        train_fully(make_config(tmp_path, pairs, epochs=40, patience=0), RecordingView())


def test_training_starts_from_the_user_s_networks(
    finished: tuple[Path, RecordingView], tmp_path: Path, pairs: Path
) -> None:
    """With a learning rate of almost zero the weights stay the same."""
    folder, _ = finished
    write_best(tmp_path / "best.yaml", params={"lr": 1e-30, "lambda_perceptual": 0})
    files = [folder / f"best_net_{net}.pth" for net in "GD"]
    config = make_config(tmp_path, pairs, epochs=1, epochs_decay=0, init_from=files)
    train_fully(config, RecordingView())
    for net, file in zip("GD", files, strict=True):
        before, after = weights(file), weights(tmp_path / "out" / f"latest_net_{net}.pth")
        names = [name for name in before if name.endswith("weight")]
        assert all(torch.allclose(before[name], after[name]) for name in names)


def test_plain_lines_contain_the_score_and_the_time_left(
    finished: tuple[Path, RecordingView], capsys: pytest.CaptureFixture[str]
) -> None:
    """One line per score, which is not wrapped."""
    seconds = itertools.count(0, 600)
    view = PlainTrainingView(sys.stdout, lambda: next(seconds))
    for event in finished[1].events:
        view.show(event)
    lines = capsys.readouterr().out.splitlines()
    scored = [line for line in lines if line.startswith("epoch ")]
    *_, end = finished[1].of(EpochEnded)
    assert [line.split()[1] for line in scored] == ["1", "2", "3", "4"]
    assert end.epoch == 4
    assert all("  G_L1 " in line and "  score " in line for line in scored)
    assert ["left" in line for line in scored] == [True, True, True, False]
    assert "  30 min left" in scored[0]
    assert "L1 100, perceptual 5, 2 layers, lsgan, lr 4e-4;" in " ".join(map(str.strip, lines))
    assert max(len(line) for line in lines if "/" not in line) <= 100


def test_the_best_yaml_of_a_search_is_read_back(tmp_path: Path) -> None:
    study = make_study(12)
    for trial in (0, 5):
        config = best_config(study, trial)
        (tmp_path / "best.yaml").write_text(as_yaml(config), encoding="utf-8")
        read = read_best_config(tmp_path / "best.yaml")
        assert read.params.model_dump() == config["params"]
        assert len(read.stages) == len(config.get("stages", ()))
        assert read.train.crop_size == config["train"]["crop_size"]
