"""The scores of a training: the best one, overfitting, the CSV file."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness.full_training.history import History
from harness.full_training.stage import StageOutcome
from harness.full_training.train import last_lines
from harness.paths import TrainingStagePaths


@pytest.mark.parametrize("sign", [1, -1])
def test_overfitting_is_when_validation_worsens_while_training_improves(sign: int) -> None:
    def overfits(val: list[float], train: list[float]) -> bool:
        pairs = zip(val, train, strict=True)
        rows = [{"score": sign * v, "train_score": sign * t} for v, t in pairs]
        return History(sign, rows).overfits()

    fallen, risen = [0.3, 0.4, 0.38, 0.37, 0.36], [0.3, 0.4, 0.45, 0.5, 0.55]
    assert overfits(fallen, risen)
    assert not overfits(risen, risen)
    assert not overfits(fallen, fallen)
    assert not overfits([0.3, 0.4, 0.38, 0.395, 0.36], risen)
    assert not overfits(fallen[:4], risen[:4])


@pytest.mark.parametrize(
    ("worse", "better", "scores", "overfits"),
    [
        (0.041, 0.041, 3, True),
        (0.039, 0.041, 3, False),
        (0.041, 0.039, 3, False),
        (0.041, 0.041, 2, False),
    ],
)
def test_overfitting_needs_four_percent_of_the_best_in_three_scores_in_a_row(
    worse: float, better: float, scores: int, overfits: bool
) -> None:
    best = {"score": 0.5, "train_score": 0.5}
    later = {"score": 0.5 * (1 - worse), "train_score": 0.5 + 0.5 * better}
    assert History(1, [best, *[later] * scores]).overfits() == overfits
    below = [
        {"score": row["score"] - 1, "train_score": row["train_score"]} for row in (best, later)
    ]
    assert History(1, [below[0], *[below[1]] * scores]).overfits() == overfits  # score below zero
    assert History(1, [{**best, "score": 0.1}, best, *[later] * scores]).overfits() == overfits


def test_the_best_score_is_the_lowest_when_minimising() -> None:
    history = History(-1)
    led = []
    for epoch, score in enumerate((0.5, 0.3, 0.4, 0.3)):
        led.append(history.is_best(score))
        history.rows.append({"epoch": epoch, "score": score})
    assert led == [True, True, False, False]  # no score equal to the best one replaces it
    assert history.best == {"epoch": 1, "score": 0.3}
    assert history.scores_since_best() == 2


def test_overfitting_is_told_with_the_scores_that_show_it() -> None:
    rows = [
        {"epoch": epoch, "score": score, "train_score": train}
        for epoch, score, train in ((2, 0.1, 0.2), (3, 0.5, 0.6), (4, 0.45, 0.7), (5, 0.4, 0.8))
    ]
    assert History(1, rows).overfitting_remark() == (
        "Overfitting: since epoch 3 the score has become worse on validation pairs "
        "(0.5000 to 0.4000) and better on training pairs (0.6000 to 0.8000); more pairs would "
        "help, or best_net_G.pth as it is."
    )


def test_history_as_csv() -> None:
    rows = [{"epoch": 1, "score": 0.2}, {"epoch": 2, "score": 0.3, "train_score": 0.4}]
    assert History(1, rows).as_csv() == "epoch,score,train_score\n1,0.2,\n2,0.3,0.4\n"


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("better", "told"), [(0.1, False), (0.0, True), (-0.1, True)])
def test_a_training_that_restores_nothing_is_told(sign: int, better: float, told: bool) -> None:
    history = History(sign, [{"epoch": 3, "score": 0.5 + sign * better}])
    outcome = StageOutcome("finished", 9, history, 0.5, TrainingStagePaths(Path("out")))
    best, *rest = last_lines(outcome)
    assert best.startswith(f"Best score {0.5 + sign * better:.4f} at epoch 3 of 9; the input")
    assert any("no better than returning the input" in line for line in rest) == told
    assert rest[-1] == "Use it: harness restore out/best_net_G.pth PICTURES --out restored"
    stopped, *same = last_lines(replace(outcome, ended="stopped"))
    assert stopped.startswith("Stopped after epoch 9; everything is saved: run the same command")
    assert same == [best, *rest]
    assert last_lines(replace(outcome, history=History(sign))) == []
