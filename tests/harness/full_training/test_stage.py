"""What a stage does after an epoch: what it scores, keeps, logs and says; which pairs it judges."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from harness.data.pairs.pair_set import Dataset, PairSet, TrainingPair
from harness.errors import UserInputError
from harness.full_training import stage as module
from harness.full_training.history import History
from harness.full_training.stage import (
    StageRun,
    evaluator_of_train_pairs,
    panel_rows,
    start_training,
)
from harness.full_training.view import EpochEnded, Remark, Scored, StageBegan
from harness.paths import TrainingStagePaths
from harness.training.epochs import EpochDone
from objectives.score import Score
from tests.harness.full_training.helpers import RecordingView

NOTHING: Any = None


class Epochs:
    """A stage whose epochs are done at once, with these scores; it follows another of 100 epochs.

    Ten epochs, scored every second and at the last, with a checkpoint every fifth.
    """

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        folder: Path,
        scores: dict[int, tuple[float, float]],
        patience: int = 0,
        last: int = 9,
        epochs: int = 9,
    ) -> None:
        run = object.__new__(StageRun)
        run.plan = SimpleNamespace(config=SimpleNamespace(patience=patience))  # type: ignore[assignment]
        run.stage = SimpleNamespace(  # type: ignore[assignment]
            check_every=2,
            save_every=5,
            schedule=SimpleNamespace(total=last),
            train=SimpleNamespace(crop_size=64),
        )
        run.paths, run.epochs_before = TrainingStagePaths(folder), 100
        run.history, run.ended = History(1), ""
        run.training = SimpleNamespace(averaged=SimpleNamespace(module=None))  # type: ignore[assignment]
        run.evaluator = self.judge(0)  # type: ignore[assignment]
        run.train_evaluator = self.judge(1)  # type: ignore[assignment]
        self.saved: dict[int, list[str]] = {}
        self.logged: list[tuple[Any, ...]] = []
        self.view, self.scores, self.run = RecordingView(), scores, run
        monkeypatch.setattr(module, "panel_png", lambda *_: b"panel")
        monkeypatch.setattr(module, "crop_png", lambda *_: b"crop")
        monkeypatch.setattr(
            StageRun, "save", lambda _, names: self.saved.update({self.epoch: names})
        )
        tracker: Any = SimpleNamespace(log=lambda *entry: self.logged.append(entry))
        for self.epoch in range(1, epochs + 1):
            losses = {"G_L1": self.epoch / 10}
            run.finish_epoch(EpochDone(self.epoch, 1e-4 * self.epoch, losses), tracker, self.view)  # type: ignore[arg-type]
            if run.ended:
                break

    def judge(self, which: int) -> Any:
        def judged(generator: object) -> tuple[None, Score]:
            value = self.scores[self.epoch][which]
            return None, Score(value, {"mae": value / 2}, ())

        evaluator: Any = judged
        evaluator.reference = evaluator.square = None
        return evaluator


IMPROVING = {
    2: (0.2, 0.3),
    4: (0.1, 0.3),
    5: (0.3, 0.4),
    6: (0.3, 0.5),
    8: (0.4, 0.5),
    9: (0.3, 0.6),
}


def test_networks_are_kept_when_due_when_best_and_at_the_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    done = Epochs(monkeypatch, tmp_path, IMPROVING)
    assert done.saved == {
        2: ["latest", "best"],
        4: ["latest"],
        5: ["latest", "5", "best"],
        6: ["latest"],
        8: ["latest", "best"],
        9: ["latest"],
    }
    assert done.run.ended == "finished"
    assert [(event.epoch, event.best) for event in done.view.of(Scored)] == [
        (epoch, "best" in names) for epoch, names in done.saved.items()
    ]
    # A panel where networks are kept under the epoch's number, and at the end.
    panels = sorted(file.name for file in (tmp_path / "panels").iterdir())
    assert panels == ["epoch_0005.png", "epoch_0009.png"]
    assert [row["epoch"] for row in done.run.history.rows] == list(IMPROVING)
    assert done.run.history.rows[0] == {
        "epoch": 2, "lr": 2e-4, "score": 0.2, "G_L1": 0.2, "train_score": 0.3,
    }  # fmt: skip


def test_every_epoch_is_logged_and_counts_on_from_the_stage_before(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    logged = Epochs(monkeypatch, tmp_path, IMPROVING).logged
    assert [entry[0] for entry in logged] == [*range(101, 110)]
    assert logged[0] == (101, {"train_loss/G_L1": 0.1, "lr": 1e-4})
    _, values, scores, _ = logged[4]
    assert values == {
        "score": 0.3, "score/mae": 0.15, "train_loss/G_L1": 0.5, "lr": 5e-4, "train_score": 0.4,
    }  # fmt: skip
    assert scores == {"score": 0.3, "mae": 0.15}
    assert [step + 101 for step, entry in enumerate(logged) if entry[-1] == b"crop"] == [105, 109]


def test_it_stops_after_so_many_scores_without_a_better_one_but_finishes_at_the_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    level = dict.fromkeys(IMPROVING, (0.3, 0.3))
    for patience, epoch, ended in (
        (1, 4, "early"),
        (4, 8, "early"),
        (5, 9, "finished"),
        (0, 9, "finished"),
    ):
        done = Epochs(monkeypatch, tmp_path, level, patience)
        assert (done.epoch, done.run.ended) == (epoch, ended)
        told = [remark.text for remark in done.view.of(Remark)]
        stopped = f"Stopped early: {patience} scores without improvement."
        assert told == ([stopped] if ended == "early" else [])


def test_overfitting_is_told_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    scores = {2: (0.5, 0.5)} | dict.fromkeys((4, 5, 6, 8, 9), (0.4, 0.6))
    done = Epochs(monkeypatch, tmp_path, scores)
    (remark,) = done.view.of(Remark)
    assert remark.text.startswith("Overfitting: since epoch 2 ")
    places = [done.view.events.index(event) for event in (remark, *done.view.of(Scored))]
    assert sorted(places)[4] == places[0]  # after the third score that is worse


@pytest.mark.parametrize(
    ("stop_after", "ended", "saved"), [(2, "stopped", 1), (3, "finished", 0), (9, "finished", 0)]
)
def test_a_stage_tells_every_epoch_and_is_saved_if_it_is_stopped(
    stop_after: int, ended: str, saved: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    done = Epochs(monkeypatch, tmp_path, IMPROVING, last=3, epochs=0)
    run, saves = done.run, []
    run.training.epoch, run.pairs, run.device = 1, NOTHING, NOTHING
    run.stage.number, run.plan.stages = 2, ("one", "two")  # type: ignore[misc]
    run.evaluator.noop = lambda: 0.25  # type: ignore[method-assign]
    losses = {"G_L1": 0.5}

    def train_epochs(*_: object) -> Any:
        for run.training.epoch in (2, 3):
            remark = "Slower here." if run.training.epoch == 2 else ""
            yield EpochDone(run.training.epoch, 1e-4, losses, remark)

    def finish_epoch(_: object, epoch: EpochDone, *__: object) -> None:
        run.ended = "finished" if epoch.epoch == 3 else ""

    monkeypatch.setattr(module, "train_epochs", train_epochs)
    monkeypatch.setattr(StageRun, "finish_epoch", finish_epoch)
    monkeypatch.setattr(StageRun, "save", lambda *names: saves.append(names))
    outcome = run.train(NOTHING, done.view, lambda: run.training.epoch >= stop_after)  # type: ignore[arg-type]
    assert (outcome.ended, outcome.epoch, outcome.noop) == (ended, min(stop_after, 3), 0.25)
    assert len(saves) == saved
    assert done.view.events == [
        StageBegan(2, 2, 64, 1, 3, 0.25),
        EpochEnded(102, 2, 1e-4, losses),
        Remark("Slower here."),
        *[EpochEnded(103, 3, 1e-4, losses)] * (ended == "finished"),
    ]


def test_one_warped_training_pair_of_every_share_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as there are validation pairs, at most eight; cut as those are."""

    def pairs(count: int, warped: tuple[int, ...]) -> PairSet:
        picture = torch.zeros(3, 6, 8, dtype=torch.uint8)
        mask = torch.zeros(1, 6, 8, dtype=torch.bool)
        return PairSet.of(
            [TrainingPair(str(n), picture, picture, mask | (n in warped)) for n in range(count)]
        )

    def judged(train: PairSet, val: int) -> list[str]:
        dataset = Dataset(train, pairs(val, ()), pairs(0, ()), "")
        found: Any = evaluator_of_train_pairs(dataset, 4, NOTHING, NOTHING)
        assert found is None or found.retouched[0].shape == (3, 4, 4)
        return [] if found is None else list(found.names)

    monkeypatch.setattr(module, "Evaluator", lambda pairs, *_: pairs)
    every = pairs(20, tuple(range(20)))
    assert judged(every, 10) == ["0", "2", "5", "7", "10", "12", "15", "17"]
    assert judged(every, 3) == ["0", "6", "13"]
    assert judged(pairs(20, (1, 3, 4, 19)), 4) == ["1", "19"]
    assert judged(pairs(2, (1,)), 10) == ["1"]
    assert judged(pairs(20, ()), 10) == []


@pytest.mark.parametrize(("given", "perceptual"), [(0, 0.0), (1, 5.0), (2, 5.0)])
def test_a_stage_starts_with_its_seed_and_the_networks_that_it_is_given(
    given: int, perceptual: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    nets = {name: torch.nn.Linear(1, 1) for name in "GD"}
    loaded: list[tuple[object, ...]] = []
    train: Any = SimpleNamespace(perceptual_window=48, perceptual_layers=("relu1_1",))
    for name, stand_in in (
        ("build_generator", lambda *asked: nets["G"] if asked == (train, 7) else None),
        ("build_discriminator", lambda *asked: nets["D"] if asked == (train, 3, 7) else None),
        ("read_checkpoint", lambda file, network: (file.name, network)),
        ("load_weights", lambda *asked: loaded.append(asked)),
        ("PerceptualLoss", lambda *asked: SimpleNamespace(to=lambda device: (asked, device.type))),
        ("Training", SimpleNamespace(start=lambda *asked: asked)),
    ):
        monkeypatch.setattr(module, name, stand_in)
    params = SimpleNamespace(n_layers_D=3, lambda_perceptual=perceptual)
    plan: Any = SimpleNamespace(config=SimpleNamespace(seed=7), device="cpu", weights="random")
    stage: Any = SimpleNamespace(train=train, params=params, schedule="schedule")
    files = tuple(Path(name) for name in ("one.pth", "other.pth")[:given])
    loss = ((("relu1_1",), "random", 48), "cpu") if perceptual else None
    started: Any = start_training(plan, stage, files)
    assert started == (nets["G"], nets["D"], params, train, loss, "schedule", 7)
    assert loaded == [
        (nets[network], (file.name, network), file, train)
        for network, file in zip("GD", files, strict=False)
    ]


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("generator", "holds weights that are not finite"),
        ("discriminator", "holds weights that are not finite"),
        (
            "format",
            r"state\.pt cannot be continued \(ValueError\): remove it to restart this stage",
        ),
        ("", ""),
    ],
)
def test_a_state_is_continued_only_if_it_is_sound(
    fault: str, sentence: str, tmp_path: Path
) -> None:
    run, rows = object.__new__(StageRun), [{"epoch": 1.0, "score": 0.5}]
    nets = {name: torch.nn.Linear(2, 2) for name in ("generator", "discriminator")}
    if fault in nets:
        torch.nn.init.constant_(nets[fault].bias, float("nan"))
    run.paths, run.history, loaded = TrainingStagePaths(tmp_path), History(1), list[Any]()
    run.training = SimpleNamespace(  # type: ignore[assignment]
        load_state=loaded.append,
        averaged=nets["generator"],
        model=SimpleNamespace(discriminator=nets["discriminator"]),
    )
    state = {"format": 2 if fault == "format" else 1, "training": {"epoch": 1}, "ended": "early"}
    torch.save({**state, "history": rows}, run.paths.state)
    if fault:
        with pytest.raises(UserInputError, match=sentence):
            run.load_state()
    else:
        run.load_state()
        assert (run.history.rows, run.ended, loaded) == (rows, "early", [{"epoch": 1}])


def test_large_pictures_make_panels_of_fewer() -> None:
    assert [panel_rows(size) for size in (512, 513)] == [4, 2]
