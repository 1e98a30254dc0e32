"""What `best.yaml` holds, and which trial it is about."""

import re
from pathlib import Path

import optuna
import pytest
import yaml
from optuna.trial import TrialState

from reports.commands.lengths import length_of_export
from reports.export.best_yaml import as_yaml, best_config
from tests.reports.export.known_copies import SHARED, known
from tests.synthetic_studies import (
    BEST,
    SPACE,
    TRAIN,
    add_trial,
    empty_study,
    finals_of,
    make_study,
    study_attrs,
    study_of_both_kinds,
)


def test_the_winner_with_all_that_made_it() -> None:
    study = make_study(30)
    config = best_config(study)
    assert config["trial"] == study.best_trial.number
    assert config["score"]["mean"] == study.best_value
    assert config["params"] == study.best_trial.user_attrs["params"]
    assert config["train"] == study.user_attrs["train"] | {"warm_start": "shared"}
    assert config["score"]["noop"] == 0.22
    assert config["score"]["weights"] == "pretrained"
    assert config["confirmed"] is False
    assert config["baseline"]["recipe"] == "recommended"
    noted, own = study.user_attrs, study.best_trial.user_attrs
    assert config["score"]["ci95"] is None
    assert (config["score"]["repeats"], config["score"]["steps"]) == (1, noted["train"]["steps"])
    assert config["score"]["pairs"] == f"{noted['data']['n_val']} to validate with"
    assert config["score"]["components"] == own["components"]
    assert config["score"]["warm_start"] == noted["baseline"]["warm_start"]
    recommended = next(t for t in study.trials if t.user_attrs.get("recipe") == "recommended")
    assert config["baseline"]["mean"] == recommended.value
    assert config["recipe"] == own.get("recipe")
    for name in ("n_train", "n_val", "direction"):
        assert config["provenance"][name] == noted["data"][name]
    assert config["provenance"]["data"] == (noted["data"]["folder"] or noted["data"]["source"])
    assert config["provenance"]["space"] == noted["space_name"]
    for name in ("profile", "device", "host", "created"):
        assert config["provenance"][name] == noted[name]
    assert config["provenance"]["data_digest"] == "0123456789abcdef"
    assert config["provenance"]["versions"]["torch"] == "2.15.0"
    assert config["provenance"]["mlflow_run"] == f"run-{config['trial']}"
    assert config["provenance"]["seed"] == own["seed"] != noted["seed"]
    assert config["provenance"]["objective"] == "boundary_sharpness"


def test_a_confirmed_setting_has_the_score_of_its_repeats_and_that_of_the_search(
    tmp_path: Path,
) -> None:
    finals = finals_of(0.01, 0.03)
    study = make_study(12, finalists=finals)
    config, trial = best_config(study), study.trials[3]
    assert config["score"] == {
        "mean": pytest.approx(0.31), "ci95": pytest.approx([0.30, 0.32]), "repeats": 3,
        "steps": 600, "pairs": "12 held out from the search", "components": {"D": 0.3},
        "noop": 0.317, "weights": "pretrained",
    }  # fmt: skip
    assert (config["searched"]["mean"], config["searched"]["steps"]) == (trial.value, 400)
    assert config["baseline"]["ci95"] == pytest.approx([0.28, 0.3])
    # The first one's weights, where an earlier version recorded no other's.
    assert config["checkpoint"] == "checkpoints/f00_net_G.pth"
    assert best_config(study, 6)["checkpoint"] is None
    finals["rows"][0]["checkpoint"] = "checkpoints/f03_net_G.pth"
    study.set_user_attr("finalists", finals)
    assert best_config(study, folder=tmp_path)["checkpoint"] is None  # it was removed
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "f03_net_G.pth").touch()
    assert best_config(study, folder=tmp_path)["checkpoint"] == "checkpoints/f03_net_G.pth"


def test_it_is_read_back_as_it_was() -> None:
    config = best_config(make_study(12, name="얼굴 \"<script>\" 'q': # x"))
    assert yaml.safe_load(as_yaml(config)) == config
    assert "&" not in as_yaml({"params": config["params"], "as_is": {"params": config["params"]}})


def test_commands_stand_in_the_yaml_as_a_person_can_paste_them() -> None:
    text = as_yaml(best_config(make_study(12), 2))
    assert "command: |\n  python train.py \\\n    --dataroot ./pairs \\\n" in text


def test_a_named_trial() -> None:
    config = best_config(make_study(12), 2)
    assert config["recipe"] == "lower_L1"
    assert config["verdict"].startswith("behind the guide's recommended setting by 0.0")


@pytest.mark.parametrize(("direction", "word"), [("maximize", "ahead of"), ("minimize", "behind")])
def test_one_run_s_lead_is_told_by_its_size(direction: str, word: str) -> None:
    study = empty_study(direction=direction)
    add_trial(study, BEST, recipe="recommended")
    add_trial(study, BEST, noise=0.0123)
    assert best_config(study, 1)["verdict"].startswith(
        f"{word} the guide's recommended setting by 0.0123 in one run"
    )


def test_a_study_without_a_trial_has_none_by_any_number() -> None:
    with pytest.raises(ValueError, match="has no trial yet"):
        best_config(empty_study(), 0)


@pytest.mark.parametrize(
    ("device", "kind"),
    [("cpu", "cpu"), ("cpu on ray", "cpu"), ("cuda:0, cuda:1", "cuda"), ("cuda:0 on ray", "cuda")],
)
def test_another_program_is_told_the_kind_of_device_that_ran_the_trials(
    device: str, kind: str
) -> None:
    program = {
        "file": "mine.yaml",
        "folder": "/mine",
        "command": ["./train", "{pairs}", "{start_G}", "{start_D}", "{seed}", "{device}"],
        "pairs": "pairs",
        "inputs": "inputs",
    }
    study = make_study(12, device=device, program=program)
    config = best_config(study, 5)
    start = "/runs/boundary-sharpness/checkpoints/warm_start/latest_net"
    assert config["command"].splitlines()[-1].split() == [
        *("./train", "pairs", f"{start}_G.pth", f"{start}_D_3_vanilla.pth", "1005", kind)
    ]
    assert length_of_export(study, config, repeat_trial=False, copy=False) == ""  # unknown
    with pytest.raises(ValueError, match=r"mine\.yaml describes, .*: leave --repo out"):
        best_config(study, 5, {**SHARED, "options": []})


def test_the_progressive_recipe_exports_both_stages() -> None:
    config = best_config(make_study(12), 5)
    assert config["recipe"] == "progressive"
    assert config["full_command"].count("train.py") == 2
    assert config["command"].count("train.py") == 1
    sizes = [(stage["load_size"], stage["crop_size"], stage["lr"]) for stage in config["stages"]]
    assert sizes == [(512, 256, 2e-4), (1024, 1024, 1e-4)]
    assert {(s["epochs"], s["epochs_decay"]) for s in config["stages"]} == {(500, 500)}
    assert "stages" not in best_config(make_study(12), 4)
    told = length_of_export(make_study(12), config, repeat_trial=False, copy=False)
    assert "1024 px, ngf 64, 2 x (500 + 500) epochs, with the searched settings rounded" in told
    moving = make_study(12, train=TRAIN | {"netG": "warp_unet_128"})
    config = best_config(moving, 5)
    told = length_of_export(moving, config, repeat_trial=False, copy=False)
    assert "1024 px, ngf 16, 2 x (500 + 500) epochs, with the settings exactly" in told
    there = length_of_export(moving, config, repeat_trial=False, copy=True)
    assert "1024 px, ngf 64, 2 x (500 + 500) epochs, with the searched settings rounded" in there


def test_the_recommended_recipe_is_not_compared_with_itself() -> None:
    assert "recipe itself" in best_config(make_study(12), 6)["verdict"]


def test_without_the_recommended_recipe_there_is_no_comparison() -> None:
    config = best_config(make_study(3))
    assert config["baseline"] is None
    assert config["verdict"].startswith("not compared")


def test_a_pruned_trial_is_never_the_winner() -> None:
    """A pruned trial keeps its last value: here the highest of all."""
    study = empty_study()
    add_trial(study, BEST)
    add_trial(study, BEST, TrialState.PRUNED, (160,), noise=0.5, reason="pruned at step 160: x")
    assert best_config(study)["trial"] == 0


def test_a_trial_that_breaks_a_constraint_is_never_the_winner() -> None:
    study = empty_study()
    add_trial(study, BEST)
    trial = study.ask(SPACE)
    trial.set_constraint("colour error", 0.1)
    study.tell(trial, 0.9)
    assert best_config(study)["trial"] == 0
    at_the_limit = study.ask(SPACE)
    at_the_limit.set_constraint("colour error", 0.0)
    study.tell(at_the_limit, 0.8)
    assert best_config(study)["trial"] == 2


def queued_only(ran: int) -> optuna.Study:
    """So many trials ran, and recipes wait."""
    study = make_study(ran)
    study.enqueue_trial(BEST)
    return study


@pytest.mark.parametrize(
    ("study", "number", "sentence"),
    [
        (empty_study("mine"), None, "Study mine has no completed trial yet"),
        (make_study(9), 40, "has no trial 40: its trials are 0 to 8"),
        (queued_only(3), 9, "has no trial 9: its trials are 0 to 2"),
        (make_study(9), -1, "has no trial -1"),
        (make_study(30), 16, "Trial 16 .* has no final score .it is fail"),
        (optuna.create_study(study_name="other"), None, "other was not made by harness search"),
    ],
)
def test_what_cannot_be_exported(study: optuna.Study, number: int | None, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        best_config(study, number)


def test_each_kind_of_generator_continues_from_a_warm_start_of_its_own() -> None:
    """In a study of both, a copy with our model file trains the one that moves pixels."""
    study = empty_study()
    add_trial(study, BEST)
    add_trial(study, BEST, extras={"netG": "warp_unet_128"})
    plain = best_config(study, 0)
    options = known(plain, "lr_decay_iters", "continue_train")
    copy = {**SHARED, "options": options, "models": ["pix2pix_warp", "pix2pix_with_perceptual"]}
    for number, mark, model in ((0, "", "pix2pix_with_perceptual"), (1, "_warp", "pix2pix_warp")):
        config = best_config(study, number, copy)
        for net in ("G", "D_3_lsgan"):
            assert f"/warm_start/latest_net_{net}{mark}.pth ./checkpoints/" in config["command"]
        for key in ("command", "full_command"):
            assert f"--model {model} " in config[key]
        moving = "learn to find what was moved" in " ".join(config["notes"])
        assert moving == (model == "pix2pix_warp")
        assert "--netG unet_128 " in config["command"]
        assert "--netG unet_256 " in plain["full_command"]


def test_where_every_trial_moves_pixels_the_only_warm_start_is_theirs() -> None:
    study = empty_study(train=study_attrs()["train"] | {"netG": "warp_unet_128"})
    add_trial(study, BEST)
    plain = empty_study()
    add_trial(plain, BEST)
    options = known(best_config(plain, 0), "lr_decay_iters", "continue_train")
    copy = {**SHARED, "options": options, "models": ["pix2pix_warp"]}
    command = best_config(study, 0, copy)["command"]
    assert "--model pix2pix_warp " in command
    for net in ("G", "D_3_lsgan"):
        assert f"/warm_start/latest_net_{net}.pth ./checkpoints/" in command


def test_its_sentences_are_in_the_language_asked_for() -> None:
    """The file itself is in English; the report has them in its own language."""
    english, korean = best_config(make_study(12)), best_config(make_study(12), lang="ko")
    for key in ("needs", "notes"):
        assert len(english[key]) == len(korean[key]) > 0
        assert not any(re.search("[가-힣]", text) for text in english[key])
        assert all(re.search("[가-힣]", text) for text in korean[key])
    assert english["command"] == korean["command"]


def test_each_of_both_answers_has_its_own_lead() -> None:
    finals = finals_of(0.1, 0.2, as_is=(0.01, 0.03))
    winner = best_config(study_of_both_kinds(finalists=finals))
    assert winner["lead"] == finals["difference"]
    assert winner["as_is"]["lead"] == finals["as_is"]["difference"] != winner["lead"]


@pytest.mark.parametrize(
    ("budget", "remedy"), [(2, "raise its --budget"), (3, "let the search go on")]
)
def test_a_study_of_stopped_trials_alone_says_what_to_do(budget: int, remedy: str) -> None:
    study = empty_study("faces", budget=budget)
    for _ in range(2):
        add_trial(study, BEST, TrialState.PRUNED, (160,), reason="stopped at step 160")
    with pytest.raises(ValueError, match=f"no completed trial yet: {remedy}, then export"):
        best_config(study)
