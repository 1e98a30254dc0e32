"""`harness train`: a full training kept, taken up after a kill, staged, stopped in time."""

import errno
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from benchmarks.synthetic_studies import make_study
from harness.best_config import read_best_config
from harness.config import TrainConfig
from harness.errors import HarnessError, UserInputError
from harness.full_training.history import History
from harness.full_training.stage import StageRun
from harness.full_training.train import closing, train_fully
from harness.full_training.view import (
    Checked,
    EpochEnded,
    Event,
    PlainTrainingView,
    Remark,
    StageBegan,
)
from harness.tracking import quiet_client
from harness.training.networks import build_discriminator, build_generator
from reports.export import as_yaml, best_config
from tests.harness.portraits import write_best, write_pairs

ROOT = Path(__file__).parents[3]


class Heard:
    """A view that remembers."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def show(self, event: Event) -> None:
        self.events.append(event)

    def close(self) -> None:
        pass

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


@pytest.fixture(scope="module", autouse=True)
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One MLflow store and one cache for all: to make them takes longer than a training here."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_CACHE", str(folder / "cache"))
        patch.setenv("TRAIN_TEST_RUNS", str(folder))
        yield folder


def mlflow_run(run_dir: Path, out: Path) -> tuple[Any, Any]:
    """The client, and the one run of the training in `out`."""
    client = quiet_client(f"sqlite:///{run_dir / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("portraits")
    assert experiment is not None
    key = yaml.safe_load((out / "training.yaml").read_text())["key"]
    (run,) = client.search_runs([experiment.experiment_id], f"tags.training = '{key}'")
    return client, run


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pairs(tmp_path_factory.mktemp("pairs"))


def asked(folder: Path, pairs: Path, out: str = "out", **settings: Any) -> TrainConfig:
    file = folder / "best.yaml"
    if not file.exists():
        write_best(file)
    given = {
        "config": file,
        "out": folder / out,
        "data": pairs,
        "epochs": 2,
        "epochs_decay": 2,
        "check_every": 1,
        "save_every": 2,
        "weights": "random",
        "device": "cpu",
        "run_dir": os.environ["TRAIN_TEST_RUNS"],
    }
    return TrainConfig.model_validate({**given, **settings})


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, pairs: Path) -> tuple[Path, Heard]:
    """A training of four epochs that nobody disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    heard = Heard()
    outcome = train_fully(asked(folder, pairs), heard)
    assert outcome.ended == "finished"
    return folder / "out", heard


def weights(file: Path) -> dict[str, torch.Tensor]:
    held: dict[str, torch.Tensor] = torch.load(file, weights_only=True)
    return held


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def test_files_have_pix2pix_s_names_and_load_as_its_networks(whole: tuple[Path, Heard]) -> None:
    folder, _ = whole
    names = {file.name for file in folder.glob("*.pth")}
    epochs = ("latest", "best", "2", "4")
    assert names == {f"{epoch}_net_{net}.pth" for epoch in epochs for net in "GD"}
    train = read_best_config(folder.parent / "best.yaml").train
    for net, built in (("G", build_generator(train, 0)), ("D", build_discriminator(train, 2, 0))):
        built.load_state_dict(weights(folder / f"latest_net_{net}.pth"))
    assert (folder / "panels" / "epoch_0004.png").stat().st_size > 1000


def test_it_learns_and_says_how_it_stands(whole: tuple[Path, Heard]) -> None:
    _, heard = whole
    checks = heard.of(Checked)
    assert [check.epoch for check in checks] == [1, 2, 3, 4]
    assert all(0 < check.score <= 1 and check.train_score is not None for check in checks)
    losses = [event.losses["G_L1"] for event in heard.of(EpochEnded)]
    assert losses[-1] < losses[0]
    assert heard.of(StageBegan)[0].noop > 0


def test_the_learning_rate_falls_after_the_epochs_at_full_rate(whole: tuple[Path, Heard]) -> None:
    _, heard = whole
    rates = [event.lr for event in heard.of(EpochEnded)]
    assert rates == pytest.approx([4e-4, 4e-4, 4e-4 * 2 / 3, 4e-4 / 3])


def test_one_mlflow_run_holds_every_epoch(whole: tuple[Path, Heard], run_dir: Path) -> None:
    client, run = mlflow_run(run_dir, whole[0])
    assert run.info.status == "FINISHED"
    assert [m.step for m in client.get_metric_history(run.info.run_id, "loss/G_L1")] == [1, 2, 3, 4]
    assert len(client.get_metric_history(run.info.run_id, "score")) == 4
    assert run.data.params["lambda_L1"] == "100.0"


# Runs the command line, and kill -9s itself halfway through a file of the second epoch.
DYING = """
import os, signal, torch
from harness.cli import main

save, files = torch.save, 0

def dying(held, file):
    global files
    files += 1
    if files == 8:
        open(file, "wb").write(b"half")
        os.kill(os.getpid(), signal.SIGKILL)
    save(held, file)

torch.save = dying
main()
"""


def test_killed_in_the_middle_it_ends_as_if_it_had_not_been(
    whole: tuple[Path, Heard], tmp_path: Path, pairs: Path, run_dir: Path
) -> None:
    """Bit for bit the same files on the CPU; an epoch keeps at least five."""
    folder, _ = whole
    write_best(tmp_path / "best.yaml")
    words = ["--epochs", "2", "--epochs-decay", "2", "--check-every", "1", "--save-every", "2"]
    words += ["--weights", "random", "--device", "cpu", "--data", str(pairs)]
    words += ["--run-dir", str(run_dir)]
    killed = subprocess.run(
        [sys.executable, "-c", DYING, "train", "best.yaml", *words, "--out", "out"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert "epoch    1" in killed.stdout
    assert len(list((tmp_path / "out").glob(".*.tmp"))) == 1
    heard = Heard()
    train_fully(asked(tmp_path, pairs), heard)
    assert heard.of(StageBegan)[0].done == 1
    for file in folder.glob("*.pth"):
        assert same(weights(file), weights(tmp_path / "out" / file.name)), file.name
    assert (tmp_path / "out" / "history.csv").read_text() == (folder / "history.csv").read_text()
    assert not list((tmp_path / "out").glob(".*.tmp"))


def test_stopped_by_the_user_it_goes_on_to_the_same_end(
    whole: tuple[Path, Heard], tmp_path: Path, pairs: Path
) -> None:
    """Stopped after an epoch that is not scored: the state is kept all the same."""
    folder, _ = whole

    class Impatient(Heard):
        def show(self, event: Event) -> None:
            super().show(event)
            if isinstance(event, EpochEnded) and event.epoch == 1:
                os.kill(os.getpid(), signal.SIGINT)

    stopped = train_fully(asked(tmp_path, pairs), Impatient())
    assert (stopped.ended, stopped.epoch) == ("stopped", 1)
    assert "the same command goes on" in closing(stopped)[0].replace("\n", " ")
    train_fully(asked(tmp_path, pairs), Heard())
    for net in "GD":
        file = f"latest_net_{net}.pth"
        assert same(weights(folder / file), weights(tmp_path / "out" / file))


def test_a_finished_training_is_left_as_it_is(whole: tuple[Path, Heard], pairs: Path) -> None:
    folder, _ = whole
    before = (folder / "latest_net_G.pth").stat().st_mtime_ns
    heard = Heard()
    assert train_fully(asked(folder.parent, pairs), heard).ended == "finished"
    assert not heard.of(Checked)
    assert (folder / "latest_net_G.pth").stat().st_mtime_ns == before


STAGES = [
    {"load_size": 136, "crop_size": 128, "lr": 4e-4, "epochs": 1, "epochs_decay": 0},
    {"load_size": 256, "crop_size": 256, "lr": 1e-4, "epochs": 1, "epochs_decay": 1},
]


def test_the_second_stage_begins_from_the_first_s_weights(
    tmp_path: Path, pairs: Path, run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_best(tmp_path / "best.yaml", stages=STAGES)
    begun: list[dict[str, dict[str, torch.Tensor]]] = []
    train = StageRun.train

    def remember(run: StageRun, *rest: Any) -> Any:
        model = run.training.model
        nets = {"G": model.generator, "D": model.discriminator}
        begun.append(
            {key: {n: v.clone() for n, v in net.state_dict().items()} for key, net in nets.items()}
        )
        return train(run, *rest)

    monkeypatch.setattr(StageRun, "train", remember)
    heard = Heard()
    train_fully(asked(tmp_path, pairs, epochs=None, epochs_decay=None), heard)
    for net in "GD":
        first = weights(tmp_path / "out" / "stage1" / f"latest_net_{net}.pth")
        assert same(begun[1][net], first)
        assert not same(begun[0][net], first)
    assert [(e.size, e.epochs) for e in heard.of(StageBegan)] == [(128, 1), (256, 2)]
    client, run = mlflow_run(run_dir, tmp_path / "out")
    rates = client.get_metric_history(run.info.run_id, "lr")
    assert [(m.step, m.value) for m in rates] == [
        (1, 4e-4),
        (2, pytest.approx(1e-4)),
        (3, pytest.approx(5e-5)),
    ]


def test_it_stops_early_when_nothing_improves(tmp_path: Path, pairs: Path) -> None:
    """At a learning rate of next to nothing, no score after the first is better by chance twice."""
    write_best(tmp_path / "best.yaml", params={"lr": 1e-30, "lambda_perceptual": 0})
    config = asked(tmp_path, pairs, epochs=50, epochs_decay=0, patience=2, save_every=50)
    heard = Heard()
    outcome = train_fully(config, heard)
    assert (outcome.ended, outcome.epoch) == ("early", 3)
    assert any("Stopped early" in remark.text for remark in heard.of(Remark))
    assert train_fully(config, Heard()).epoch == 3


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


def test_the_best_is_the_least_where_less_is_better() -> None:
    history = History(-1)
    led = []
    for score in (0.5, 0.3, 0.4, 0.35):
        led.append(history.leads(score))
        history.rows.append({"score": score})
    assert led == [True, True, False, False]
    assert history.best == {"score": 0.3}
    assert history.since_best() == 2


def test_the_search_s_own_objective_chooses_the_best_epoch(
    tmp_path: Path, pairs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The documented one, of which less is better, where the command is run."""
    page = (ROOT / "docs" / "objectives.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert code is not None
    (tmp_path / "by_mean_error.py").write_text(code[1], encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    write_best(tmp_path / "best.yaml", provenance={"objective": "by_mean_error:make"})
    outcome = train_fully(asked(tmp_path, pairs, epochs=3, epochs_decay=0), Heard())
    scores = [row["score"] for row in outcome.history.rows]
    assert outcome.history.best is not None
    assert outcome.history.best["score"] == min(scores) < max(scores)
    other = asked(tmp_path, pairs, epochs=3, epochs_decay=0, objective="boundary_sharpness")
    with pytest.raises(UserInputError, match="a training with other objective"):
        train_fully(other, Heard())


def test_divergence_ends_in_one_sentence_and_keeps_the_checkpoints(
    tmp_path: Path, pairs: Path
) -> None:
    write_best(tmp_path / "best.yaml", params={"lr": 1e20, "lambda_perceptual": 0})
    with pytest.raises(HarnessError, match=r"diverged.*Lower lr"):
        train_fully(asked(tmp_path, pairs, epochs=40, patience=0), Heard())


def test_continues_from_the_user_s_networks(
    whole: tuple[Path, Heard], tmp_path: Path, pairs: Path
) -> None:
    """With a learning rate of next to nothing it stays where it began."""
    folder, _ = whole
    write_best(tmp_path / "best.yaml", params={"lr": 1e-30, "lambda_perceptual": 0})
    files = [folder / f"best_net_{net}.pth" for net in "GD"]
    config = asked(tmp_path, pairs, epochs=1, epochs_decay=0, init_from=files)
    train_fully(config, Heard())
    begun, ended = weights(files[0]), weights(tmp_path / "out" / "latest_net_G.pth")
    assert all(
        torch.allclose(begun[name], ended[name]) for name in begun if name.endswith("weight")
    )


REFUSALS: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({}, {"config": Path("missing.yaml")}, "missing.yaml cannot be read"),
    ({"schema": 2}, {}, "schema cannot be used"),
    ({"params": {"lambda_L1": -1}}, {}, "params.lambda_L1 cannot be used"),
    ({"train": {"netH": "unet"}}, {}, "train.netH cannot be used"),
    ({}, {"crop_size": 100}, "needs a crop_size that is a multiple of 128"),
    ({}, {"load_size": 64}, "load_size 64 is smaller than crop_size 128"),
    ({"params": {"n_layers_D": 7}}, {}, "n_layers_D 7 is too deep"),
    ({"stages": STAGES}, {}, "--epochs and the stages"),
    ({}, {"epochs": 0, "epochs_decay": 0}, "no epochs"),
    ({}, {"data": Path("nowhere")}, "nowhere"),
    ({"provenance": {"data": "/gone/pairs"}}, {"data": None}, "/gone/pairs, which is not there"),
    ({}, {"out": Path("/proc/nothing")}, "cannot be written"),
    ({}, {"init_from": [Path("nothing.pth")]}, "nothing.pth cannot be read"),
    ({}, {"objective": "by_eye"}, "--objective by_eye is neither"),
]


@pytest.mark.parametrize(("file", "options", "said"), REFUSALS)
def test_what_cannot_be_used_is_refused_and_nothing_is_written(
    tmp_path: Path, pairs: Path, file: dict[str, Any], options: dict[str, Any], said: str
) -> None:
    write_best(tmp_path / "best.yaml", **file)
    with pytest.raises(UserInputError, match=said):
        train_fully(asked(tmp_path, pairs, **options), Heard())
    assert [entry.name for entry in tmp_path.iterdir()] == ["best.yaml"]


def test_a_folder_holds_one_training(whole: tuple[Path, Heard], pairs: Path) -> None:
    folder, _ = whole
    with pytest.raises(UserInputError, match="a training with other seed"):
        train_fully(asked(folder.parent, pairs, seed=1), Heard())
    with pytest.raises(UserInputError, match="a training with other epochs, picture sizes"):
        train_fully(asked(folder.parent, pairs, epochs=3), Heard())


def test_somebody_else_s_checkpoints_are_not_written_over(tmp_path: Path, pairs: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "latest_net_G.pth").write_bytes(b"theirs")
    with pytest.raises(UserInputError, match="checkpoints of another program"):
        train_fully(asked(tmp_path, pairs), Heard())
    assert (tmp_path / "out" / "latest_net_G.pth").read_bytes() == b"theirs"


def test_a_damaged_state_is_said_by_name(
    whole: tuple[Path, Heard], tmp_path: Path, pairs: Path
) -> None:
    config = asked(tmp_path, pairs, epochs=1, epochs_decay=0)
    train_fully(config, Heard())
    (tmp_path / "out" / "state.pt").write_bytes(b"half")
    with pytest.raises(UserInputError, match=r"state\.pt cannot be gone on from"):
        train_fully(config, Heard())


def test_a_full_disk_ends_in_one_sentence_and_the_training_goes_on(
    whole: tuple[Path, Heard], tmp_path: Path, pairs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Full while the second epoch's state is written: that of the first is whole."""
    folder, _ = whole
    save, saved = torch.save, 0

    def fill(held: Any, file: Any) -> None:
        nonlocal saved
        saved += "state.pt" in str(file)
        if saved == 2:
            Path(file).write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        save(held, file)

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", fill)
        with pytest.raises(HarnessError, match=r"is full: free some space"):
            train_fully(asked(tmp_path, pairs), Heard())
    assert not list((tmp_path / "out").glob(".*.tmp"))
    heard = Heard()
    train_fully(asked(tmp_path, pairs), heard)
    assert heard.of(StageBegan)[0].done == 1
    assert same(weights(folder / "4_net_G.pth"), weights(tmp_path / "out" / "4_net_G.pth"))


def test_plain_lines_say_the_score_and_the_losses(
    whole: tuple[Path, Heard], capsys: pytest.CaptureFixture[str]
) -> None:
    view = PlainTrainingView(sys.stdout)
    for event in whole[1].events:
        view.show(event)
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("epoch ") for line in lines) == 4
    assert all("G_L1" in line and "score" in line for line in lines if line.startswith("epoch "))


def test_what_a_search_exports_is_read_back(tmp_path: Path) -> None:
    study = make_study(12)
    for trial in (0, 5):
        config = best_config(study, trial)
        (tmp_path / "best.yaml").write_text(as_yaml(config), encoding="utf-8")
        read = read_best_config(tmp_path / "best.yaml")
        assert read.params.model_dump() == config["params"]
        assert len(read.stages) == len(config.get("stages", ()))
        assert read.train.crop_size == config["train"]["crop_size"]


def test_history_is_a_table() -> None:
    rows = [{"epoch": 1, "score": 0.2}, {"epoch": 2, "score": 0.3, "train_score": 0.4}]
    assert History(1, rows).as_csv() == "epoch,score,train_score\n1,0.2,\n2,0.3,0.4\n"
