"""`--trainer external`: the user's own train.py runs the trials, here a stand-in for it."""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from optuna.trial import TrialState

from harness.config.profiles import QUICK
from harness.config.settings import Repository
from harness.console.views import QuietView
from harness.data.files.picture_reading import read_picture
from harness.data.pairs.pair_set import Dataset, save_dataset
from harness.errors import DivergedError, HarnessError, UserInputError
from harness.paths import RunPaths, StudyPaths, WarmStartPaths
from harness.search.plan import plan_search
from harness.search.search import run_search
from harness.search.stop_signals import StopSwitch
from harness.study.study import read_study
from harness.training.networks import build_generator
from harness.trials.external.external_trial import (
    copy_warm_start,
    load_generator,
    pix2pix_line,
    remove_checkpoints_before,
    rungs_by_mark,
    write_pictures,
)
from harness.trials.external.process import (
    ProgramRun,
    follow,
    losses_between,
    wait_for_end,
    wait_for_result,
)
from harness.trials.external.repository import (
    read_repository,
    trial_command,
)
from harness.trials.messages import TrialTask
from harness.trials.worker import trial_runner
from reports.export.best_yaml import best_config
from tests.harness.portraits import external_search
from tests.harness.trials.external.copies import PARAMS, add_plugin, copy_of_pix2pix
from tests.harness.trials.test_trial import TRAIN, ignore, make_trials, pairs

SMALL = {
    "steps": 6,
    "rungs": (3, 6),
    "warm_start_steps": 2,
    "warm_discriminator_steps": 1,
    "perceptual_layers": ("relu1_1",),
}


def given_options(paths: StudyPaths, trial: str) -> dict[str, Any]:
    """What the stand-in was called with."""
    found: dict[str, Any] = json.loads(
        (paths.external.run(trial) / "options.json").read_text(encoding="utf-8")
    )
    return found


def test_a_search_drives_it_and_every_fault_fails_one_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four trials complete; a crash, a hang, a missing checkpoint and a wrong flag do not count.

    The copy has our model file, so the search tries both kinds of generator.
    """
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    faults = {"t001": "crash", "t002": "hang", "t003": "no checkpoint", "t005": "wrong flag"}
    repo = copy_of_pix2pix(tmp_path / "pix2pix", **faults)
    add_plugin(repo)
    config = external_search(
        tmp_path,
        repo,
        budget=4,
        pinned={"n_layers_D": "4", "gan_mode": "lsgan"},
        study="external",
        trial_timeout=120,
    )
    plan = plan_search(config)
    assert plan.trial_plan.external is not None
    small = plan.trial_plan.model_copy(
        update={
            "train": plan.trial_plan.train.model_copy(update=SMALL),
            "external": plan.trial_plan.external.model_copy(update={"silence": 4.0}),
        }
    )
    outcome = run_search(
        replace(plan, trial_plan=small), QuietView(), StopSwitch(None), trial_runner
    )
    assert outcome.counts == {"complete": 4, "failed": 4}
    paths = RunPaths(tmp_path / "runs")
    study = read_study(paths.root, "external")
    trials = study.get_trials(deepcopy=False)
    reasons = {t.number: t.user_attrs["reason"] for t in trials if t.state == TrialState.FAIL}
    assert "the card fell off the bus" in reasons[1]
    assert "hung: nothing new for 4 s: " in reasons[2]
    assert "End of epoch 1" in reasons[2]
    assert "ended without 2_net_G.pth" in reasons[3]
    assert "exit code 2" in reasons[5]
    assert "argument --norm: invalid choice" in reasons[5]
    assert [(rung["step"], rung["losses"]["G_L1"]) for rung in trials[0].user_attrs["rungs"]] == [
        (3, 10.0),
        (6, 5.0),
    ]
    folder = paths.study("external")
    given_models = {
        name: given_options(folder, name)["model"] for name in ("t000", "t004", "t006", "t007")
    }
    # The recipe repaints, and so do the failed t002 and t005: each third that the sampler chooses.
    repaints, moves = "pix2pix", "pix2pix_warp"
    assert given_models == {"t000": repaints, "t004": moves, "t006": moves, "t007": moves}
    # What it exports is for that copy, with the model file that it needs.
    best = best_config(study)
    for config_of, model in ((best, moves), (best["as_is"], repaints)):
        for key in ("command", "full_command"):
            assert config_of[key].startswith(f"cd {repo}\n")
            assert f"--model {model} " in config_of[key]
    assert not list(folder.external.folder.glob("t*/*.pth"))
    # What it was given to train on is what the search scores by.
    given = read_picture(folder.external.pairs / "train" / "00000.png")
    assert np.array_equal(given, read_picture(tmp_path / "my pairs" / "train" / "train0.png"))
    told = given_options(folder, "t000")
    assert (told["netD"], told["n_layers_D"], told["gan_mode"]) == ("n_layers", 4, "lsgan")
    assert (told["direction"], told["gpu_ids"], told["n_epochs"]) == ("AtoB", "-1", 2)
    assert (told["print_freq"], told["num_threads"], told["no_html"]) == (1, 0, True)


def test_each_kind_of_generator_continues_from_its_own_warm_start(tmp_path: Path) -> None:
    """The stand-in gives it back as its result."""
    repo = copy_of_pix2pix(tmp_path / "pix2pix")
    add_plugin(repo)
    file = tmp_path / "pairs.pt"
    save_dataset(Dataset(pairs(2, 0), pairs(3, 1), pairs(1, 2), "digest"), file)
    copy = read_repository(repo, 20)
    trials = make_trials(
        file, tmp_path / "study", train=TRAIN, other_netG="warp_unet_128", external=copy
    )
    baseline = trials.prepare(ignore)
    assert baseline.warm_start != pytest.approx(baseline.other_warm_start)
    params = PARAMS.model_copy(update={"n_layers_D": 2})
    for number, netG, start, model in (
        (0, "unet_128", baseline.warm_start, "pix2pix_with_perceptual"),
        (1, "warp_unet_128", baseline.other_warm_start, "pix2pix_warp"),
    ):
        task = TrialTask(number, params, 0, extras={"netG": netG})
        result = trials.run(task, lambda _: True)
        assert result is not None
        assert result.rung.value == pytest.approx(start)
        told = given_options(trials.paths, task.name)
        assert (told["model"], told["netG"]) == (model, "unet_128")
        assert (told["lambda_perceptual"], told["use_perceptual"]) == (10, number == 0)


def test_a_trial_continues_from_the_discriminator_of_its_kind_depth_and_loss(
    tmp_path: Path,
) -> None:
    run, own = tmp_path / "run", WarmStartPaths(tmp_path)
    run.mkdir()
    for warm in (own, own.other_kind):
        for depth, mode in ((4, "vanilla"), (3, "lsgan"), (4, "lsgan")):
            file = warm.discriminator(depth, mode)
            file.write_text(file.name)
        warm.generator.write_text(warm.generator.name)
    for warm in (own, own.other_kind):
        copy_warm_start(warm, PARAMS, run)
        for net, start in (("G", warm.generator), ("D", warm.discriminator(4, "lsgan"))):
            assert (run / f"latest_net_{net}.pth").read_text() == start.name


def followed(cwd: Path, run: Path) -> ProgramRun:
    """A train.py in `cwd`, as pix2pix's is followed."""
    return ProgramRun(
        name="train.py",
        command=[sys.executable, "train.py"],
        cwd=cwd,
        run=run,
        result=lambda epoch: run / f"{epoch}_net_G.pth",
        load=torch.load,
        log=run / "loss_log.txt",
        read_line=pix2pix_line,
        silence=30,
    )


def started(repository: Repository, folder: Path, fault: str, silence: float = 30.0) -> Any:
    """The stand-in on a run folder, followed; its generators stand in as empty modules."""
    repo = copy_of_pix2pix(folder / "repo", t007=fault)
    run = folder / "runs" / "t007"
    run.mkdir(parents=True)
    for net in "GD":
        (run / f"latest_net_{net}.pth").write_bytes(b"weights")
    (folder / "pairs" / "train").mkdir(parents=True)
    train = QUICK.model_copy(update=SMALL)
    command = trial_command(repository, PARAMS, train, folder / "pairs", 3, run, "cpu", warm=True)

    def load(file: Path) -> torch.nn.Module:
        if file.read_bytes() != b"weights":
            raise UserInputError("half written")
        return torch.nn.Identity()

    program = replace(followed(repo, run), command=command, load=load, silence=silence)
    return run, follow(program, {1: 3, 2: 6}, "cpu")


def test_each_checkpoint_is_scored_as_it_appears(repository: Repository, tmp_path: Path) -> None:
    run, course = started(repository, tmp_path, "")
    found = [(progress.step, progress.losses["G_L1"]) for progress in course]
    assert found == [(3, 10.0), (6, 5.0)]
    assert not list(run.glob("[12]_net_G.pth"))


def test_pruned_it_is_killed_with_all_that_it_started(
    repository: Repository, tmp_path: Path
) -> None:
    run, course = started(repository, tmp_path, "child")
    next(course)
    child = psutil.Process(int((run / "child.txt").read_text()))
    course.close()
    gone, alive = psutil.wait_procs([child], timeout=10)
    assert [process.pid for process in gone] == [child.pid] or (
        alive[0].status() == psutil.STATUS_ZOMBIE
    )


def test_pictures_that_were_removed_since_are_laid_again(tmp_path: Path) -> None:
    pictures = [torch.full((3, 8, 8), shade, dtype=torch.uint8) for shade in (10, 20, 30)]
    write_pictures(pictures, tmp_path / "pairs", "train")
    (tmp_path / "pairs" / "train" / "00001.png").unlink()
    write_pictures(pictures, tmp_path / "pairs", "train")
    laid = sorted((tmp_path / "pairs" / "train").iterdir())
    assert [int(read_picture(file)[0, 0, 0]) for file in laid] == [10, 20, 30]
    assert [file.name for file in tmp_path.iterdir()] == ["pairs"]


def test_pictures_that_another_worker_laid_meanwhile_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def beaten(self: Path, target: Path) -> None:
        shutil.copytree(self, target)
        raise OSError(39, "Directory not empty")

    def full(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    pictures = [torch.zeros(3, 8, 8, dtype=torch.uint8)]
    monkeypatch.setattr(Path, "rename", beaten)
    write_pictures(pictures, tmp_path / "pairs", "train")
    assert [file.name for file in tmp_path.iterdir()] == ["pairs"]
    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(OSError, match="No space left"):
        write_pictures(pictures, tmp_path / "others", "train")


def test_a_loss_that_is_not_finite_is_a_divergence(repository: Repository, tmp_path: Path) -> None:
    with pytest.raises(DivergedError, match="G_L1 nan"):
        list(started(repository, tmp_path, "nan")[1])


def test_a_program_that_cannot_be_started_says_why(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("import a_package_that_is_not_there")
    course = follow(followed(tmp_path, tmp_path / "run"), {1: 1}, "cpu")
    with pytest.raises(HarnessError, match=r"exit code 1.*a_package_that_is_not_there"):
        next(course)


def test_it_has_the_worker_s_device_and_threads_and_its_last_lines_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    monkeypatch.setattr(torch, "get_num_threads", lambda: 5)
    words = "echo 1; echo; echo $CUDA_VISIBLE_DEVICES; echo $OMP_NUM_THREADS; exit 3"
    program = replace(followed(tmp_path, tmp_path / "run"), command=["sh", "-c", words])
    with pytest.raises(HarnessError, match=r"code 3: 1 \| 7 \| 5$"):
        next(follow(program, {1: 1}, "cuda:1"))
    missing = replace(program, command=["nothing-of-this-name"])
    with pytest.raises(HarnessError, match=r"nothing-of-this-name cannot be started: No such file"):
        next(follow(missing, {1: 1}, "cpu"))


class Ending:
    """A program that ends, with this exit code, at the third look; None: it does not."""

    def __init__(self, code: int | None) -> None:
        self.code = code
        self.looks = 0

    def poll(self) -> int | None:
        self.looks += 1
        assert self.looks < 20
        return self.code if self.looks > 2 else None


@pytest.mark.parametrize(
    ("code", "silence", "said"),
    [
        (0, 9.0, None),
        (5, 9.0, r"train\.py ended with exit code 5: one \| two \| three$"),
        (None, 0.35, r"train\.py hung after its last result: one \| two \| three$"),
    ],
)
def test_it_must_end_well_after_its_last_result(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    code: int | None,
    silence: float,
    said: str | None,
) -> None:
    monkeypatch.setattr("harness.trials.external.process.time.sleep", lambda _: None)
    program = replace(followed(tmp_path, tmp_path), silence=silence)
    program.output.write_text("zero\none\n\ntwo\n three\n")
    process: Any = Ending(code)
    if said is None:
        wait_for_end(process, program)
        return
    with pytest.raises(HarnessError, match=said):
        wait_for_end(process, program)
    assert process.looks == (3 if code else 5)


def test_one_result_counts_once_the_program_has_ended_and_any_change_is_a_sign_of_life(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0

    class Writing:
        """Writes on at every second look, and ends at the ninth."""

        def poll(self) -> int | None:
            nonlocal looks
            looks += 1
            if looks % 2:
                (tmp_path / "result").write_text("x" * looks)
            return 0 if looks == 9 else None

    monkeypatch.setattr("harness.trials.external.process.time.sleep", lambda _: None)
    program = replace(
        followed(tmp_path, tmp_path),
        result=lambda _: tmp_path / "result",
        load=lambda file: torch.tensor(len(file.read_text())),
        silence=0.25,
        at_end=True,
    )
    process: Any = Writing()
    assert wait_for_result(process, program, 0) == 9


@pytest.mark.parametrize(
    "line",
    [
        "(epoch: 2, iters: 100, time: 0.211, data: 0.003) G_GAN: 0.700 G_L1: 4.000 D_real: 1e-3",
        "[Rank 0] (epoch: 2, iters: 100, time: 0.211, data: 0.003) , G_GAN: 0.700, G_L1: 4.000, "
        "D_real: 0.001",
    ],
)
def test_loss_logs_of_both_ages_are_read(line: str, tmp_path: Path) -> None:
    head = "================ Training Loss (Tue Nov 24 00:00:00 2026) ================\n"
    earlier = "(epoch: 1, iters: 100, time: 0.2, data: 0.0) G_GAN: 9.0 G_L1: 9.0 D_real: 9.0\n"
    later, first = earlier.replace("epoch: 1", "epoch: 3"), line.replace("4.000", "1.000")
    (tmp_path / "loss_log.txt").write_text(f"{head}{earlier}{first}\n{line}\n{line}\n{later}")
    wanted = {"G_GAN": 0.7, "G_L1": 3.0, "D_real": 0.001}
    assert losses_between(followed(tmp_path, tmp_path), 1, 2) == pytest.approx(wanted)


def test_rungs_fall_on_whole_epochs() -> None:
    settings = QUICK.model_copy(update={"steps": 400, "rungs": (280, 310, 340, 370, 400)})
    assert rungs_by_mark("epoch", settings, 64) == {5: 310, 6: 370, 7: 400}
    threes = settings.model_copy(update={"batch_size": 3})  # 21 batches of 3 and one of 1
    assert rungs_by_mark("epoch", threes, 64) == {13: 280, 15: 310, 16: 340, 17: 370, 19: 400}
    assert rungs_by_mark("step", threes, 64) == {rung: rung for rung in settings.rungs}
    assert rungs_by_mark(None, settings, 64) == {0: 400}  # one result, at the end


def test_checkpoints_that_nobody_waits_for_any_more_are_removed(tmp_path: Path) -> None:
    for name in ("1_net_G", "2_net_D", "3_net_G", "3_net_D", "10_net_G", "latest_net_G"):
        (tmp_path / f"{name}.pth").touch()
    remove_checkpoints_before(tmp_path, 3)
    left = {file.stem for file in tmp_path.iterdir()}
    assert left == {"3_net_G", "3_net_D", "10_net_G", "latest_net_G"}


def test_weights_that_are_not_finite_are_a_divergence(tmp_path: Path) -> None:
    weights = build_generator(TRAIN, 1).state_dict()
    next(iter(weights.values())).fill_(float("inf"))
    torch.save(weights, tmp_path / "1_net_G.pth")
    with pytest.raises(DivergedError, match=r"1_net_G\.pth"):
        load_generator(tmp_path / "1_net_G.pth", TRAIN, "cpu")
