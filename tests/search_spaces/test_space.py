"""Spaces mean what their YAML says."""

from pathlib import Path
from typing import Any

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from search_spaces.generators import generator_of_kind
from search_spaces.space import BUILT_IN, Space, load_space, parse_space
from search_spaces.trial_params import FROM_SCRATCH, TrialParams
from tests.search_spaces.written import CONDITIONAL, TRAIN, space_text


def asked_of(space: Space) -> dict[str, BaseDistribution]:
    """What Optuna is asked for."""
    trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=3)).ask()
    space.suggest(trial)
    return dict(trial.distributions)


def test_default_space() -> None:
    space = load_space("default")
    assert asked_of(space) == {
        "lambda_L1": FloatDistribution(10, 500, log=True),
        "lambda_perceptual": FloatDistribution(0, 30, step=2.5),
        "n_layers_D": IntDistribution(2, 5),
        "gan_mode": CategoricalDistribution(("vanilla", "lsgan")),
        "lr": FloatDistribution(5e-5, 4e-4, log=True),
        "generator": CategoricalDistribution(("repaint", "warp")),
    }
    assert space.fixed == {}
    assert space.kinds == ("repaint", "warp")
    assert set(space.discriminators) == {(n, m) for n in (2, 3, 4, 5) for m in ("vanilla", "lsgan")}


def test_narrow_space_is_the_guides_recommended_bands() -> None:
    space = load_space("narrow")
    assert asked_of(space) == {
        "lambda_L1": FloatDistribution(50, 100, log=True),
        "lambda_perceptual": FloatDistribution(5, 20, step=2.5),
        "n_layers_D": IntDistribution(3, 4),
        "gan_mode": CategoricalDistribution(("vanilla", "lsgan")),
        "lr": FloatDistribution(5e-5, 2e-4, log=True),
    }
    assert space.kinds == ()


def test_wide_space_goes_beyond_the_guide_on_every_side() -> None:
    space = load_space("wide", {"use_perceptual": "true"})
    assert asked_of(space) == {
        "lambda_L1": FloatDistribution(1, 1000, log=True),
        "lambda_perceptual": FloatDistribution(1, 60, log=True),
        "n_layers_D": IntDistribution(1, 5),
        "gan_mode": CategoricalDistribution(("vanilla", "lsgan", "wgangp")),
        "lr": FloatDistribution(1e-5, 1e-3, log=True),
        "beta1": FloatDistribution(0, 0.9),
        "generator": CategoricalDistribution(("repaint", "warp")),
    }
    asked = load_space("wide").parameters["use_perceptual"].values()
    assert asked == (True, False)


@pytest.mark.parametrize("name", BUILT_IN)
def test_sampled_values_make_params_and_back(name: str) -> None:
    space = load_space(name)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=3))
    for _ in range(30):
        trial = study.ask()
        space.suggest(trial)
        params, extras = space.params(trial.params), space.extras(trial.params)
        if space.kinds:
            extras["netG"] = generator_of_kind("unet_128", trial.params["generator"])
        assert space.suggestion(params, TRAIN | extras) == trial.params
        assert (params.n_layers_D, params.gan_mode) in space.discriminators


@pytest.mark.parametrize("name", BUILT_IN)
def test_text_is_the_space(name: str) -> None:
    """The text kept with a study reads back as the same space, whatever it is called."""
    space = load_space(name)
    again = parse_space("again", space.text)
    assert again.parameters == space.parameters


def test_text_tells_spaces_apart_but_not_their_spelling() -> None:
    one = parse_space("a", space_text(lr="1e-4"))
    assert one.text == parse_space("b", space_text(lr=0.0001)).text
    assert one.text != parse_space("a", space_text(lr=0.0002)).text


def test_a_number_that_yaml_takes_for_text_is_a_number() -> None:
    """YAML 1.1 reads 5e-5 as a text, for it has no dot."""
    text = space_text().replace("lr: 0.0001", "lr: {type: float, low: 5e-5, high: 4e-4, log: true}")
    assert asked_of(parse_space("x", text))["lr"] == FloatDistribution(5e-5, 4e-4, log=True)


def test_whole_numbers_are_asked_for_on_their_grid_or_log_scale() -> None:
    steps = {"type": "int", "low": 16, "high": 64, "step": 16}
    doubling = {"type": "int", "low": 1, "high": 8, "log": True}
    odd = {"type": "int", "low": 1, "high": 5, "step": 2}
    space = parse_space("x", space_text(ngf=steps, batch_size=doubling, n_layers_D=odd))
    asked = asked_of(space)
    assert asked["ngf"] == IntDistribution(16, 64, step=16)
    assert asked["batch_size"] == IntDistribution(1, 8, log=True)
    assert asked["n_layers_D"] == IntDistribution(1, 5, step=2)
    assert space.parameters["ngf"].values() == (16, 32, 48, 64)
    assert {depth for depth, _ in space.discriminators} == {1, 3, 5}


def test_set_pins_a_setting() -> None:
    space = load_space("default", {"lambda_L1": "100", "gan_mode": "lsgan", "lr": "1e-4"})
    assert space.fixed == {"lambda_L1": 100.0, "gan_mode": "lsgan", "lr": 1e-4}
    assert set(asked_of(space)) == {"lambda_perceptual", "n_layers_D", "generator"}
    assert space.params({"lambda_perceptual": 10, "n_layers_D": 4}) == TrialParams(
        lambda_L1=100, lambda_perceptual=10, n_layers_D=4, gan_mode="lsgan", lr=1e-4
    )
    assert space.text != load_space("default").text


def test_a_file_in_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shell leaves `--space=~/mine.yaml` as it is."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine.yaml").write_text(space_text(lr=3e-4), encoding="utf-8")
    space = load_space("~/mine.yaml")
    assert (space.name, space.fixed) == ("mine", {"lr": 3e-4})


def test_set_may_go_beyond_the_range() -> None:
    assert load_space("narrow", {"lambda_L1": "500"}).fixed == {"lambda_L1": 500.0}


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        ({"lambda_l1": "100"}, "lambda_l1 is not a setting"),
        ({"lambda_L1": "many"}, "lambda_L1 cannot be 'many': write a number"),
        ({"lambda_L1": "-1"}, "lambda_L1 cannot be '-1': write a number of at least 0"),
        ({"gan_mode": "wgan"}, "gan_mode cannot be 'wgan': write vanilla, lsgan or wgangp"),
        ({"n_layers_D": "3.5"}, "n_layers_D cannot be '3.5': write a whole number"),
        ({"n_layers_D": "13"}, "n_layers_D cannot be '13': write a number of at most 12"),
        ({"beta1": "1"}, "beta1 cannot be '1': write a number below 1"),
        ({"lr": "0"}, "lr cannot be '0': write a number above 0"),
        ({"lr": "true"}, "lr cannot be 'true': write a number"),
        ({"lr": ""}, "lr cannot be '': write a number"),
        ({"lambda_perceptual": "-1"}, "lambda_perceptual cannot be '-1': write a number of at lea"),
        ({"n_layers_D": "0"}, "n_layers_D cannot be '0': write a number of at least 1"),
        ({"beta1": "-0.1"}, "beta1 cannot be '-0.1': write a number of at least 0"),
        ({"batch_size": "1025"}, "batch_size cannot be '1025': write a number of at most 1024"),
        ({"ngf": "0"}, "ngf cannot be '0': write a number above 0"),
        ({"ndf": "257"}, "ndf cannot be '257': write a number of at most 256"),
        ({"init_gain": "0"}, "init_gain cannot be '0': write a number above 0"),
    ],
)
def test_a_bad_pin_is_named(overrides: dict[str, str], named: str) -> None:
    ((key, value),) = overrides.items()
    with pytest.raises(ValueError, match=rf"^--set {key}={value}: {named}"):
        load_space("default", overrides)


def test_a_conditional_setting_is_chosen_exactly_where_it_applies() -> None:
    space = parse_space("mine", space_text(**CONDITIONAL))
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    seen = set()
    for _ in range(40):
        trial = study.ask()
        space.suggest(trial)
        params, extras = space.params(trial.params), space.extras(trial.params)
        used = trial.params["use_perceptual"]
        assert (params.lambda_perceptual > 0) == used == ("lambda_perceptual" in trial.params)
        assert ("ndf" in extras) == (params.n_layers_D in (2, 3))
        chosen = (params.gan_mode, params.n_layers_D) == ("lsgan", 3)
        assert chosen == ("beta1" in trial.params)
        assert chosen or extras["beta1"] == 0.9
        assert space.suggestion(params, TRAIN | extras) == trial.params
        study.tell(trial, params.lambda_L1)
        seen.add((used, "ndf" in extras, chosen))
    assert len(seen) > 4


def test_a_conditional_space_is_its_text() -> None:
    space = parse_space("mine", space_text(**CONDITIONAL))
    assert parse_space("again", space.text).parameters == space.parameters


def test_what_a_conditional_setting_is_elsewhere_must_agree() -> None:
    space = parse_space("mine", space_text(**CONDITIONAL))
    params = TrialParams(lambda_L1=60, lambda_perceptual=0, n_layers_D=5, gan_mode="lsgan", lr=1e-4)
    assert "beta1" not in space.suggestion(params, TRAIN | {"beta1": 0.9})
    with pytest.raises(ValueError, match=r"beta1 0.5 is not one of 0, 0.5 when gan_mode is lsgan"):
        space.suggestion(params, TRAIN | {"beta1": 0.5})


def test_the_depth_elsewhere_is_one_of_the_discriminators() -> None:
    depth = {"type": "int", "low": 3, "high": 4, "when": {"gan_mode": "lsgan"}, "else": 5}
    space = parse_space("mine", space_text(n_layers_D=depth))
    assert {depth for depth, _ in space.discriminators} == {3, 4, 5}
    with pytest.raises(ValueError, match="n_layers_D 5 is too deep for crop_size 64"):
        space.check_against(TRAIN | {"crop_size": 64, "netG": "resnet_9blocks"})


@pytest.mark.parametrize(("weight", "used"), [("10", True), ("0", False)])
def test_a_pinned_perceptual_weight_settles_whether_it_is_used(weight: str, used: bool) -> None:
    space = load_space("wide", {"lambda_perceptual": weight})
    assert space.fixed["use_perceptual"] is used
    assert space.fixed["lambda_perceptual"] == float(weight)
    assert "use_perceptual" not in asked_of(space)


def test_a_pinned_no_switches_the_perceptual_term_off() -> None:
    space = load_space("wide", {"use_perceptual": "false"})
    assert "lambda_perceptual" not in asked_of(space)
    assert space.params({"lambda_L1": 9, "n_layers_D": 3, "gan_mode": "lsgan", "lr": 1e-4,
                         "beta1": 0.5}).lambda_perceptual == 0  # fmt: skip


def test_training_settings_beside_the_five() -> None:
    space = parse_space(
        "mine",
        space_text(
            batch_size={"type": "int", "low": 1, "high": 4},
            flip={"type": "categorical", "choices": [True, False]},
            norm="instance",
        ),
    )
    assert set(asked_of(space)) >= {"batch_size", "flip"}
    suggested = {name: entry.values()[-1] for name, entry in space.parameters.items()
                 if name in ("gan_mode", "n_layers_D", "batch_size", "flip")}  # fmt: skip
    suggested |= {"lambda_L1": 60.0, "lambda_perceptual": 5.0}
    assert space.extras(suggested) == {"batch_size": 4, "flip": False}
    assert space.pinned == {"norm": "instance"}
    assert load_space("default", {"beta1": "0.9"}).pinned == {"beta1": 0.9}


CHOICES: dict[str, list[Any]] = {
    "netG": ["unet_128", "resnet_6blocks"],
    "ngf": [12, 16],
    "ndf": [12, 16],
    "norm": ["batch", "instance"],
    "init_type": ["normal", "xavier"],
    "init_gain": [0.02, 0.1],
}


@pytest.mark.parametrize("name", FROM_SCRATCH)
def test_different_networks_need_trials_from_scratch_and_one_kind_does_not(name: str) -> None:
    varied = {"type": "categorical", "choices": CHOICES[name]}
    space = parse_space("mine", space_text(**{name: varied}))
    with pytest.raises(ValueError, match=rf"{name} changes what a trial begins .*scratch"):
        space.check_shared_start("unet_128")
    load_space("default", {name: str(CHOICES[name][1])}).check_shared_start("unet_128")
    load_space("wide").check_shared_start("unet_128")


def test_dropout_moves_the_names_in_residual_blocks() -> None:
    varied = {"type": "categorical", "choices": [True, False]}
    space = parse_space("mine", space_text(dropout=varied))
    space.check_shared_start("unet_128")
    with pytest.raises(ValueError, match="dropout changes what a trial begins with"):
        space.check_shared_start("resnet_9blocks")


def test_a_choice_of_generators_is_checked_against_the_crop() -> None:
    nets = {"type": "categorical", "choices": ["unet_128", "unet_256"]}
    with pytest.raises(ValueError, match=r"netG unet_256 needs a crop_size .* 256, not 128"):
        parse_space("mine", space_text(netG=nets)).check_against(TRAIN)


@given(
    low=st.integers(0, 50),
    steps=st.integers(1, 40),
    step=st.sampled_from([0.1, 0.25, 0.3, 1.0, 2.5]),
    at=st.integers(0, 40),
)
def test_every_point_of_a_grid_is_held(low: int, steps: int, step: float, at: int) -> None:
    entry = {"type": "float", "low": low, "high": low + steps * step, "step": step}
    space = parse_space("grid", space_text(lambda_perceptual=entry))
    parameter = space.parameters["lambda_perceptual"]
    assert parameter.contains(low + min(at, steps) * step)
    assert not parameter.contains(low + (min(at, steps) + 0.5) * step)
