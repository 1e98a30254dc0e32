"""`--trainer external --repo FILE.yaml`: any program runs the trials, as docs/train.md says."""

import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from driving import with_setup
from null_tracker import NullTracker
from PIL import Image
from programs import program_of

import harness.search.search
from harness.config.profiles import QUICK
from harness.config.settings import Program, Repository, SearchConfig
from harness.console.views import QuietView
from harness.data.pairs.pair_set import Dataset, PairSet, save_dataset
from harness.errors import DivergedError, UserInputError
from harness.paths import StudyPaths
from harness.search.plan import plan_search
from harness.search.search import run_search
from harness.search.stop_signals import StopSwitch
from harness.trials.external.external_trial import load_restored, program_run
from harness.trials.external.process import ExternalError
from harness.trials.external.program import (
    check_program,
    parse_line,
    program_command,
    read_program,
)
from harness.trials.external.trainer import choose_trainer, no_baseline
from harness.trials.messages import Rung, TrialTask
from harness.trials.trial import Trials
from harness.trials.worker import trial_runner
from reports.export.best_yaml import as_script
from search_spaces.space import load_space
from tests.harness.portraits import external_search
from tests.harness.trials.test_trial import PARAMS, TRAIN, ignore, make_trials, pairs

PAGE = Path(__file__).parents[4] / "docs" / "train.md"
STAND_IN = Path(__file__).with_name("stand_in_program.py")


def described(folder: Path, /, **changed: Any) -> Path:
    """The page's own YAML beside the stand-in, with other keys where they are given."""
    text = re.search(r"```yaml\n(# my_program\.yaml.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert text is not None
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(STAND_IN, folder / "my_train.py")
    keys = {**yaml.safe_load(text[1]), **changed}
    file = folder / "my_program.yaml"
    file.write_text(yaml.safe_dump({k: v for k, v in keys.items() if v is not None}))
    return file


def test_a_search_drives_it_and_its_command_repeats_the_best(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(harness.search.search, "open_tracker", lambda *_: NullTracker())
    file = described(tmp_path / "my program")
    # A width that no warm start could have; the program has none.
    config = external_search(tmp_path, file, budget=3, study="program", pinned={"ngf": "4"})
    plan = plan_search(config)
    train = plan.trial_plan.train.updated({"steps": 6, "rungs": (3, 6)})
    assert plan.trial_plan.warm_start == "none"
    plan = replace(
        with_setup(plan, train=train.model_dump(mode="json")),
        trial_plan=plan.trial_plan.model_copy(update={"train": train}),
    )
    outcome = run_search(plan, QuietView(), StopSwitch(None), trial_runner)
    assert (outcome.counts["complete"], outcome.counts.get("failed")) == (3, None)
    # The recommended L1 weight of 100 blurs less than the problem's 500.
    assert outcome.best is not None
    assert outcome.best.number == 0
    best = yaml.safe_load(outcome.paths.best_yaml.read_text(encoding="utf-8"))
    assert best["checkpoint"] is None
    assert "checkout of pytorch" not in as_script(best)
    subprocess.run(["bash", "-euc", as_script(best)], check=True, capture_output=True)
    found = tmp_path / "my program" / "program-t000" / "restored_2" / "00000.png"
    there = outcome.paths.external.run("t000") / "restored_2" / "00000.png"
    assert found.read_bytes() == there.read_bytes()


def test_a_baseline_that_it_cannot_train_is_told(tmp_path: Path) -> None:
    """Else its runs would be taken for those of a setting that they do not have."""
    without = load_space("default", {"lambda_perceptual": "0"})
    named = read_program(described(tmp_path / "a"), silence=2)
    assert no_baseline(named, without, QUICK) == ""
    words = tuple(word for word in named.command if "{lambda_perceptual}" not in word)
    program = named.model_copy(update={"command": words})
    assert no_baseline(program, without, QUICK).endswith("does not name {lambda_perceptual}")
    assert no_baseline(program, load_space("default", {"lambda_perceptual": "10"}), QUICK) == ""
    copy = Repository(folder=tmp_path, python="python", options=(), models=("pix2pix",), silence=1)
    assert "--format plugin --repo" in no_baseline(copy, without, QUICK)
    assert no_baseline(copy, load_space("default"), QUICK) == ""
    assert no_baseline(copy, without, QUICK.updated({"netG": "warp_unet_128"})) == ""
    models = ("pix2pix", "pix2pix_with_perceptual")
    assert no_baseline(copy.model_copy(update={"models": models}), without, QUICK) == ""


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("data") / "pairs.pt"
    save_dataset(Dataset(pairs(2, 0), pairs(3, 1), pairs(1, 2), "digest"), file)
    return file


@pytest.fixture(scope="module")
def trials(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Trials:
    folder = tmp_path_factory.mktemp("program")
    program = read_program(described(folder), silence=2)
    made = make_trials(dataset, folder / "study", warm_start="none", external=program)
    made.prepare(ignore)
    return made


def run(trials: Trials, **task: Any) -> list[Rung]:
    rungs: list[Rung] = []
    trials.run(TrialTask(4, PARAMS, 0, **task), lambda rung: not rungs.append(rung))
    return rungs


def test_what_it_restores_is_scored_as_it_appears(trials: Trials) -> None:
    """One epoch of its two pairs is two steps: both rungs fall on an epoch's end."""
    rungs = run(trials)
    assert [rung.step for rung in rungs] == [2, 4]
    assert [rung.losses for rung in rungs] == [
        {"G_L1": PARAMS.lambda_L1, "G_GAN": PARAMS.lr},
        {"G_L1": PARAMS.lambda_L1 / 2, "G_GAN": PARAMS.lr},
    ]
    noop = trials.val.noop()
    assert all(0 < rung.value < noop for rung in rungs)


def test_a_finalist_restores_the_pictures_held_out(trials: Trials) -> None:
    assert [rung.step for rung in run(trials, phase="final")] == [4, 6]
    assert len(list((trials.paths.external.run("f04") / "restored_3").iterdir())) == 1


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("crash", r"my_program\.yaml ended with exit code 1: .*the weights caught a cold"),
        ("hang", r"my_program\.yaml hung: nothing new for 2 s: epoch 1: l1"),
        ("missing", r"00001\.png does not exist"),
        ("size", r"is 64x64 pixels, but its input is 128x128"),
        ("no number", "its log has none, which is no loss, in: epoch 1: l1 none"),
    ],
)
def test_a_fault_fails_the_trial_and_says_why(trials: Trials, fault: str, said: str) -> None:
    assert trials.plan.external is not None
    file = trials.plan.external.folder / "fault"
    file.write_text(fault)
    try:
        with pytest.raises((ExternalError, UserInputError), match=said):
            run(trials)
    finally:
        file.unlink()


COPYING = """
import shutil, sys
start, out, pairs, steps = sys.argv[1:]
for step in range(1, int(steps) + 1):
    loss = "nan" if "nan" in out else 0.5
    print(step, loss, file=open(f"{out}/log.txt", "a"))
    shutil.copyfile(start, f"{out}/G_{step}.pth")
"""


def test_a_program_that_leaves_checkpoints_continues_from_the_warm_start(
    dataset: Path, tmp_path: Path
) -> None:
    (tmp_path / "copying.py").write_text(COPYING)
    keys = {
        "command": "python copying.py {start_G} {out} {pairs} {steps}",
        "restored": None,
        "checkpoint": "G_{step}.pth",
        "log": "log.txt",
        "losses": r"(?P<step>\d+) (?P<G_L1>\S+)",
    }
    program = read_program(described(tmp_path, **keys), silence=20)
    trials = make_trials(dataset, tmp_path / "study", external=program)
    baseline = trials.prepare(ignore)
    rungs = run(trials)
    assert [(rung.step, rung.losses) for rung in rungs] == [(2, {"G_L1": 0.5}), (4, {"G_L1": 0.5})]
    assert rungs[-1].value == pytest.approx(baseline.warm_start)
    assert trials.paths.checkpoint(4).exists()
    left = {file.name for file in trials.paths.external.run("t004").glob("*.pth")}
    assert left == {"G_1.pth", "G_3.pth"}
    held = make_trials(dataset, tmp_path / "nan", external=program)
    held.prepare(ignore)
    with pytest.raises(DivergedError, match="G_L1 nan"):
        run(held)


REFUSALS: list[tuple[dict[str, Any], str]] = [
    ({"command": " "}, "command names no program"),
    ({"comand": "x"}, "comand cannot be used"),
    ({"restored": None}, "name either checkpoint or restored"),
    ({"checkpoint": "G.pth"}, "name either checkpoint or restored"),
    ({"restored": "at_{epoch}_{step}"}, r"one placeholder, \{epoch\} or \{step\}"),
    ({"restored": "/tmp/at_{epoch}"}, "must be a path inside"),
    ({"command": "python my_train.py {lambda_l1}"}, r"names \{lambda_l1\}; what it may name is"),
    ({"command": "python my_train.py {lr:.2f}"}, r"\{lr\} is no plain placeholder"),
    ({"command": "python my_train.py {lr"}, "expected '}'"),
    ({"command": "python 'my_train.py"}, "No closing quotation"),
    ({"command": "python my_train.py {pairs} {out} {inputs}"}, r"does not name \{epochs\}"),
    ({"command": "python my_train.py {pairs} {out} {epochs}"}, r"does not name \{inputs\}"),
    ({"command": "nothing {pairs} {out} {inputs} {epochs}"}, "nothing cannot be started in"),
    ({"folder": "nowhere"}, "cannot be started in .*nowhere"),
    ({"losses": "l1 (?P<G_L1>"}, "not a regular expression"),
    ({"losses": r"l1 (?P<G_L1>\S+)"}, r"no group \(\?P<epoch>"),
    ({"losses": r"(?P<epoch>\d+)"}, "no group named as a loss"),
]


@pytest.mark.parametrize(("changed", "said"), REFUSALS)
def test_a_description_that_cannot_be_used_is_refused(
    tmp_path: Path, changed: dict[str, Any], said: str
) -> None:
    with pytest.raises(UserInputError, match=said) as refused:
        read_program(described(tmp_path, **changed), silence=1)
    assert str(refused.value).startswith(f"{tmp_path}/my_program.yaml")


def test_what_the_search_varies_must_reach_the_program(tmp_path: Path) -> None:
    text = yaml.safe_load(described(tmp_path).read_text())["command"]
    program = read_program(
        described(tmp_path, command=text.replace("--layers {n_layers_D}", "")), silence=1
    )
    space = load_space("default").without("generator")  # a program has its own
    with pytest.raises(UserInputError, match=r"varies n_layers_D, .* --set n_layers_D=VALUE"):
        check_program(program, space, from_scratch=False, init_from=False)
    pinned = load_space("default", {"n_layers_D": "3"}).without("generator")
    check_program(program, pinned, from_scratch=False, init_from=False)
    with pytest.raises(UserInputError, match=r"--init-from has no meaning"):
        check_program(program, pinned, from_scratch=False, init_from=True)
    starting = read_program(described(tmp_path, command=text + " {start_G}"), silence=1)
    with pytest.raises(UserInputError, match=r"--from-scratch there is nothing to start from"):
        check_program(starting, space, from_scratch=True, init_from=False)


COMMAND = (
    "my_train.py {pairs} {out} {inputs} {epochs} {lambda_L1} {lambda_perceptual} {n_layers_D} "
    "{gan_mode} {lr}"
)


def test_log_lines_without_a_loss_are_passed_over() -> None:
    pattern = r"(?P<epoch>\d+): (?P<G_L1>\S+)(?: (?P<G_GAN>\S+))?"
    assert parse_line("hello", pattern, "epoch") is None
    assert parse_line("3: 0.5", pattern, "epoch") == (3, {"G_L1": "0.5"})
    assert parse_line("3: 0.5 0.1", pattern, None) == (0, {"G_L1": "0.5", "G_GAN": "0.1"})
    assert parse_line("3: 0.5", None, "epoch") is None


def test_every_placeholder_has_its_own_value(tmp_path: Path) -> None:
    names = ("pairs", "n_train", "inputs", "out", "seed", "device", "start_G", "start_D")
    program = program_of(tmp_path, *(f"{{{name}}}" for name in names))
    paths, task = StudyPaths(tmp_path), TrialTask(4, PARAMS, 7, "final")
    found = program_run(program, task, TRAIN, 5, PairSet.of([]), paths, "cuda:1")
    assert list(found.command) == [
        *(str(paths.external.pairs), "5", str(paths.external.inputs("final"))),
        *(str(paths.external.run("f04")), "7", "cuda", str(paths.warm_start.generator)),
        str(paths.warm_start.discriminator(PARAMS.n_layers_D, PARAMS.gan_mode)),
    ]
    assert (found.at_end, found.log, found.silence) == (True, found.output, 9)
    marked = program.model_copy(update={"mark": "step", "checkpoint": "G_{step}", "log": "log.txt"})
    found = program_run(marked, task, TRAIN, 5, PairSet.of([]), paths, "cuda:1")
    run = paths.external.run("f04")
    assert (found.at_end, found.log, found.result(3)) == (False, run / "log.txt", run / "G_3")


def test_the_size_of_a_restored_picture_is_said_as_width_by_height(tmp_path: Path) -> None:
    Image.new("RGB", (30, 20)).save(tmp_path / "00000.png")
    whole = torch.zeros(3, 60, 40, dtype=torch.uint8)
    scored = PairSet(("a",), (whole,), (whole,), (whole[:1] > 0,), (whole,))
    with pytest.raises(UserInputError, match=r"00000\.png is 30x20 pixels, but its input is 40x60"):
        load_restored(tmp_path, scored)
    Image.new("RGB", (40, 60), (0, 51, 255)).save(tmp_path / "00000.png")
    restored = load_restored(tmp_path, scored)
    assert restored[0, :, 3, 4].tolist() == pytest.approx([0, 0.2, 1])


def test_how_long_a_program_may_be_silent_and_what_moves_no_pixels(tmp_path: Path) -> None:
    file = described(tmp_path, command="python3 " + COMMAND)
    space = load_space("default").without("generator")
    asked = {"trainer": "external", "repo": file}
    for timeout, silence in ((None, 600), (90, 45)):
        config = SearchConfig.model_validate(asked | {"trial_timeout": timeout})
        found = choose_trainer(config, space, QUICK)
        assert isinstance(found, Program)
        assert (found.silence, found.command[0]) == (silence, sys.executable)
    moving = QUICK.updated({"netG": "warp_unet_128"})
    for name in (file, file.rename(file.with_suffix(".yml"))):
        config = SearchConfig.model_validate(asked | {"repo": name})
        with pytest.raises(UserInputError, match=r"netG warp_unet_128 moves pixels, which a prog"):
            choose_trainer(config, space, moving)


@pytest.mark.parametrize(("n_train", "batch", "epochs"), [(48, 1, 9), (9, 4, 134), (64, 3, 19)])
def test_it_gets_as_many_epochs_as_a_trial_has_steps(
    n_train: int, batch: int, epochs: int, tmp_path: Path
) -> None:
    """The last batch of an epoch may be a smaller one."""
    program = program_of(tmp_path, "train", "{epochs}", mark="epoch", checkpoint="{epoch}.pth")
    train = QUICK.updated({"batch_size": batch, "steps": 400, "rungs": (400,)})
    places = {"n_train": n_train}
    assert program_command(program, PARAMS, train, places) == ["train", str(epochs)]
