"""Spaces mean what their YAML says, and a bad file is refused by the name of its bad key."""

from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from search_spaces.params import FROM_SCRATCH, TrialParams
from search_spaces.space import BUILT_IN, Space, load_space, parse_space

TRAIN = {
    "beta1": 0.5,
    "batch_size": 1,
    "flip": True,
    "dropout": True,
    "netG": "unet_128",
    "ngf": 12,
    "ndf": 12,
    "norm": "batch",
    "init_type": "normal",
    "init_gain": 0.02,
    "preprocess": "none",
    "load_size": 128,
    "crop_size": 128,
}
GOOD = {
    "lambda_L1": {"type": "float", "low": 10, "high": 500, "log": True},
    "lambda_perceptual": {"type": "float", "low": 0, "high": 30, "step": 2.5},
    "n_layers_D": {"type": "int", "low": 2, "high": 5},
    "gan_mode": {"type": "categorical", "choices": ["vanilla", "lsgan"]},
    "lr": 1e-4,
}


def space_text(**changed: object) -> str:
    return yaml.safe_dump({"params": GOOD | changed})


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
    }
    assert space.fixed == {}
    assert set(space.discriminators) == {(n, m) for n in (2, 3, 4, 5) for m in ("vanilla", "lsgan")}


@pytest.mark.parametrize("name", BUILT_IN)
def test_sampled_values_make_params_and_back(name: str) -> None:
    space = load_space(name)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=3))
    for _ in range(30):
        trial = study.ask()
        space.suggest(trial)
        params, extras = space.params(trial.params), space.extras(trial.params)
        assert space.suggestion(params, TRAIN | extras) == trial.params
        assert (params.n_layers_D, params.gan_mode) in space.discriminators


@pytest.mark.parametrize("name", BUILT_IN)
def test_text_is_the_space(name: str) -> None:
    """The text kept with a study reads back as the same space, whatever it is called."""
    space = load_space(name)
    again = parse_space("again", space.text)
    assert again.parameters == space.parameters
    assert again.digest == space.digest


def test_digest_tells_spaces_apart_but_not_their_spelling() -> None:
    one = parse_space("a", space_text(lr="1e-4"))
    assert one.digest == parse_space("b", space_text(lr=0.0001)).digest
    assert one.digest != parse_space("a", space_text(lr=0.0002)).digest


def test_a_number_that_yaml_takes_for_text_is_a_number() -> None:
    """YAML 1.1 reads 5e-5 as a text, for it has no dot."""
    text = space_text().replace("lr: 0.0001", "lr: {type: float, low: 5e-5, high: 4e-4, log: true}")
    assert asked_of(parse_space("x", text))["lr"] == FloatDistribution(5e-5, 4e-4, log=True)


def test_set_pins_a_setting() -> None:
    space = load_space("default", {"lambda_L1": "100", "gan_mode": "lsgan", "lr": "1e-4"})
    assert space.fixed == {"lambda_L1": 100.0, "gan_mode": "lsgan", "lr": 1e-4}
    assert set(asked_of(space)) == {"lambda_perceptual", "n_layers_D"}
    assert space.params({"lambda_perceptual": 10, "n_layers_D": 4}) == TrialParams(
        lambda_L1=100, lambda_perceptual=10, n_layers_D=4, gan_mode="lsgan", lr=1e-4
    )
    assert space.digest != load_space("default").digest


def test_set_may_go_beyond_the_range() -> None:
    assert load_space("narrow", {"lambda_L1": "500"}).fixed == {"lambda_L1": 500.0}


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        ({"lambda_l1": "100"}, "lambda_l1 is no setting"),
        ({"lambda_L1": "many"}, "lambda_L1 cannot be 'many'"),
        ({"lambda_L1": "-1"}, "lambda_L1 cannot be '-1'"),
        ({"gan_mode": "wgan"}, "gan_mode cannot be 'wgan'"),
        ({"n_layers_D": "3.5"}, "n_layers_D cannot be '3.5'"),
        ({"lr": "true"}, "lr cannot be 'true'"),
        ({"lr": ""}, "lr cannot be ''"),
    ],
)
def test_a_bad_pin_is_named(overrides: dict[str, str], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        load_space("default", overrides)


CONDITIONAL = {
    "use_perceptual": {"type": "categorical", "choices": [True, False]},
    "lambda_perceptual": {
        "type": "float",
        "low": 1,
        "high": 30,
        "log": True,
        "when": {"use_perceptual": True},
    },
    "ndf": {"type": "int", "low": 8, "high": 16, "when": {"n_layers_D": [2, 3]}},
    "beta1": {
        "type": "categorical",
        "choices": [0.0, 0.5],
        "when": {"gan_mode": "lsgan", "n_layers_D": 3},
        "else": 0.9,
    },
}


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


def perceptual(**changed: object) -> str:
    """A space in which lambda_perceptual depends on use_perceptual, badly."""
    entry: dict[str, object] = {**CONDITIONAL["lambda_perceptual"], **changed}
    return space_text(use_perceptual=CONDITIONAL["use_perceptual"], lambda_perceptual=entry)


BAD = {
    "when a text": (perceptual(when="used"), "lambda_perceptual: when must name a setting"),
    "when empty": (perceptual(when={}), "lambda_perceptual: when must name a setting"),
    "when an unknown setting": (
        perceptual(when={"perceptual": True}),
        "lambda_perceptual: when names perceptual, which is no setting",
    ),
    "when a setting left out": (
        perceptual(when={"use_perceptual": True, "flip": True}),
        "lambda_perceptual: when names flip, which the space leaves out",
    ),
    "when a range": (
        perceptual(when={"use_perceptual": True, "lambda_L1": 100}),
        "lambda_perceptual: when names lambda_L1, a range",
    ),
    "when it depends on one that depends": (
        perceptual(when={"use_perceptual": True, "lambda_perceptual": 10}),
        "lambda_perceptual: when names lambda_perceptual, which depends on others",
    ),
    "when a value that it never has": (
        perceptual(when={"use_perceptual": True, "gan_mode": "wgangp"}),
        "lambda_perceptual: when: gan_mode is never wgangp; it is one of vanilla, lsgan",
    ),
    "when a value that nothing has": (
        perceptual(when={"use_perceptual": True, "gan_mode": "hinge"}),
        "lambda_perceptual: when: gan_mode cannot be 'hinge'",
    ),
    "a number for yes or no": (
        perceptual(when={"use_perceptual": 3}),
        "lambda_perceptual: when: use_perceptual cannot be 3",
    ),
    "used, but nothing depends on it": (
        space_text(use_perceptual={"type": "categorical", "choices": [True, False]}),
        "lambda_perceptual: when must be {use_perceptual: true}",
    ),
    "used upside down": (
        perceptual(when={"use_perceptual": False}),
        "lambda_perceptual: when must be {use_perceptual: true}",
    ),
    "unused, but not 0": (perceptual(**{"else": 5}), "lambda_perceptual: else must be 0"),
    "used, and 0": (
        perceptual(low=0, log=False),
        "lambda_perceptual: it must stay above 0, for use_perceptual says whether it is used",
    ),
    "else missing": (
        space_text(lr={"type": "float", "low": 1, "high": 2, "when": {"gan_mode": "lsgan"}}),
        "lr: else is missing; give lr's value for where when does not hold",
    ),
    "else that it cannot be": (
        space_text(
            lr={"type": "float", "low": 1, "high": 2, "when": {"gan_mode": "lsgan"}, "else": 0}
        ),
        "lr: else cannot be 0",
    ),
    "else without when": (
        space_text(lr={"type": "float", "low": 1, "high": 2, "else": 1}),
        "lr: else has no meaning without when",
    ),
    "beta1 of one": (space_text(beta1=1), "beta1 cannot be 1"),
    "no batch": (
        space_text(batch_size={"type": "int", "low": 0, "high": 4}),
        "batch_size: low cannot be 0",
    ),
    "batches of halves": (
        space_text(batch_size={"type": "float", "low": 1, "high": 4}),
        "batch_size: type must be int",
    ),
    "yes or no as a range": (
        space_text(flip={"type": "int", "low": 0, "high": 1}),
        "flip: type must be categorical, for its values are no numbers",
    ),
    "maybe": (space_text(flip="maybe"), "flip cannot be 'maybe'"),
    "unknown norm": (
        space_text(norm={"type": "categorical", "choices": ["batch", "layer"]}),
        "norm: choices cannot be 'layer'",
    ),
    "steps, which are the profile's": (space_text(steps=100), "steps is no setting"),
    "no mapping": ("- 1\n- 2\n", "must be a YAML mapping, not a list"),
    "empty": ("", "must be a YAML mapping, not empty"),
    "a text": ("lambda_L1", "must be a YAML mapping, not a text"),
    "broken YAML": ("params: {lr: [", "not valid YAML on line 1"),
    "a tag that makes objects": ("params: !!python/object:os.system {}", "not valid YAML"),
    "tabs": ("params:\n\tlr: 1", "not valid YAML on line 2"),
    "key said twice": ("params: {lr: 1, lr: 2}", "the key lr stands twice"),
    "unknown top key": (space_text() + "ranges: {}\n", "ranges is not a key of a space"),
    "no params": ("description: x\n", "params must be a mapping"),
    "params a list": ("params: [lr]\n", "params must be a mapping"),
    "unknown setting": (space_text(lambda_l1=3), "lambda_l1 is no setting"),
    "missing setting": (yaml.safe_dump({"params": {"lr": 1e-4}}), "lambda_L1 is missing"),
    "unknown type": (space_text(lr={"type": "log", "low": 1, "high": 2}), "lr: type must be"),
    "type left out": (space_text(lr={"low": 1, "high": 2}), "lr: type must be"),
    "unknown key": (
        space_text(lr={"type": "float", "low": 1, "max": 2}),
        "lr: max is not a key of a float entry",
    ),
    "choices of a float": (
        space_text(lr={"type": "float", "choices": [1]}),
        "lr: choices is not a key",
    ),
    "low missing": (space_text(lr={"type": "float", "high": 2}), "lr: low is missing"),
    "high missing": (space_text(lr={"type": "float", "low": 2}), "lr: high is missing"),
    "low above high": (
        space_text(lambda_L1={"type": "float", "low": 9, "high": 2}),
        "lambda_L1: low 9 must be below high 2",
    ),
    "low equals high": (
        space_text(lambda_L1={"type": "float", "low": 9, "high": 9}),
        "one value is written lambda_L1: 9",
    ),
    "low is a word": (
        space_text(lr={"type": "float", "low": "small", "high": 2}),
        "lr: low cannot be 'small'",
    ),
    "negative weight": (
        space_text(lambda_L1={"type": "float", "low": -1, "high": 2}),
        "lambda_L1: low cannot be -1",
    ),
    "learning rate of zero": (
        space_text(lr={"type": "float", "low": 0, "high": 1}),
        "lr: low cannot be 0",
    ),
    "log from zero": (
        space_text(lambda_perceptual={"type": "float", "low": 0, "high": 9, "log": True}),
        "lambda_perceptual: low must be above 0 where log is true",
    ),
    "log is a word": (
        space_text(lr={"type": "float", "low": 1, "high": 2, "log": "maybe"}),
        "lr: log must be true or false",
    ),
    "log and step": (
        space_text(lr={"type": "float", "low": 1, "high": 2, "log": True, "step": 0.5}),
        "lr: step cannot be used where log is true",
    ),
    "step of zero": (
        space_text(lr={"type": "float", "low": 1, "high": 2, "step": 0}),
        "lr: step must be above 0",
    ),
    "step that misses the end": (
        space_text(lambda_L1={"type": "float", "low": 0, "high": 10, "step": 4}),
        "lambda_L1: step 4 does not lead from low 0 to high 10; the highest value it reaches is 8",
    ),
    "step is a word": (
        space_text(lr={"type": "float", "low": 1, "high": 2, "step": "x"}),
        "lr: step must be a number",
    ),
    "infinite end": (
        space_text(lr={"type": "float", "low": 1, "high": float("inf")}),
        "lr: high cannot be inf",
    ),
    "layers as float": (
        space_text(n_layers_D={"type": "float", "low": 2, "high": 5}),
        "n_layers_D: type must be int",
    ),
    "half a layer": (
        space_text(n_layers_D={"type": "int", "low": 2.5, "high": 5}),
        "n_layers_D: low cannot be 2.5",
    ),
    "whole numbers with a half": (
        space_text(lambda_L1={"type": "int", "low": 2.5, "high": 5}),
        "lambda_L1: low must be a whole number",
    ),
    "words as a range": (
        space_text(gan_mode={"type": "int", "low": 1, "high": 2}),
        "gan_mode: type must be categorical",
    ),
    "unknown choice": (
        space_text(gan_mode={"type": "categorical", "choices": ["vanilla", "hinge"]}),
        "gan_mode: choices cannot be 'hinge'",
    ),
    "no choices": (
        space_text(gan_mode={"type": "categorical", "choices": []}),
        "gan_mode: choices must be a list",
    ),
    "choice said twice": (
        space_text(gan_mode={"type": "categorical", "choices": ["lsgan", "lsgan"]}),
        "gan_mode: choices holds a value twice",
    ),
    "a list for a value": (space_text(lr=[1, 2]), "lr cannot be"),
    "nothing for a value": (space_text(lr=None), "lr cannot be None"),
    "yes for a number": (space_text(lambda_perceptual=True), "lambda_perceptual cannot be True"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_file(case: str, tmp_path: Path) -> None:
    text, named = BAD[case]
    file = tmp_path / "mine.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"^Space mine") as caught:
        load_space(str(file))
    sentence = str(caught.value)
    assert named in sentence
    assert "\n" not in sentence


def test_bad_encoding_and_missing_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="cannot be read as text"):
        load_space(str(file))
    with pytest.raises(ValueError, match="neither a file nor one of default, narrow, wide"):
        load_space("defualt")
    with pytest.raises(ValueError, match="neither a file"):
        load_space(str(tmp_path))


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
    assert parameter.holds(low + min(at, steps) * step)
    assert not parameter.holds(low + (min(at, steps) + 0.5) * step)
