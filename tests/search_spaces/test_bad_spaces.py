"""A bad space file is refused by the name of its bad key."""

from pathlib import Path

import pytest
import yaml

from search_spaces.space import load_space
from tests.search_spaces.written import CONDITIONAL, space_text


def perceptual(**changed: object) -> str:
    """A space in which lambda_perceptual depends on use_perceptual, badly."""
    entry: dict[str, object] = {**CONDITIONAL["lambda_perceptual"], **changed}
    return space_text(use_perceptual=CONDITIONAL["use_perceptual"], lambda_perceptual=entry)


BAD = {
    "when a text": (perceptual(when="used"), "lambda_perceptual: when must name a setting"),
    "when empty": (perceptual(when={}), "lambda_perceptual: when must name a setting"),
    "when an unknown setting": (
        perceptual(when={"perceptual": True}),
        "lambda_perceptual: when names perceptual, which is not a setting",
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
        "lambda_perceptual: it must stay above 0, since use_perceptual says whether it is used",
    ),
    "else missing": (
        space_text(lr={"type": "float", "low": 1, "high": 2, "when": {"gan_mode": "lsgan"}}),
        "lr: else is missing; give the value that lr has if the conditions do not hold",
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
        "flip: type must be categorical, since its values are not numbers",
    ),
    "maybe": (space_text(flip="maybe"), "flip cannot be 'maybe'"),
    "unknown norm": (
        space_text(norm={"type": "categorical", "choices": ["batch", "layer"]}),
        "norm: choices cannot be 'layer'",
    ),
    "steps, which are the profile's": (space_text(steps=100), "steps is not a setting"),
    "no mapping": ("- 1\n- 2\n", "must be a YAML mapping, not a list"),
    "empty": ("", "must be a YAML mapping, not empty"),
    "a text": ("lambda_L1", "must be a YAML mapping, not a text"),
    "broken YAML": ("params: {lr: [", "not valid YAML on line 1"),
    "a tag that makes objects": ("params: !!python/object:os.system {}", "not valid YAML"),
    "tabs": ("params:\n\tlr: 1", "not valid YAML on line 2"),
    "key said twice": ("params: {lr: 1, lr: 2}", "the key lr occurs twice"),
    "unknown top key": (space_text() + "ranges: {}\n", "ranges is not a key of a space"),
    "no params": ("description: x\n", "params must be a mapping"),
    "params a list": ("params: [lr]\n", "params must be a mapping"),
    "unknown setting": (
        space_text(lambda_l1=3),
        "lambda_l1 is not a setting that can be searched (did you mean lambda_L1?); these can",
    ),
    "missing setting": (yaml.safe_dump({"params": {"lr": 1e-4}}), "lambda_L1 is missing"),
    "unknown type": (space_text(lr={"type": "log", "low": 1, "high": 2}), "lr: type cannot be log"),
    "type left out": (space_text(lr={"low": 1, "high": 2}), "lr: type is missing"),
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
    "step of next to nothing": (
        space_text(lambda_L1={"type": "float", "low": 0, "high": 1e308, "step": 1e-300}),
        "lambda_L1: step 1e-300 gives more than 100000 values",
    ),
    "layers without end": (
        space_text(n_layers_D={"type": "int", "low": 2, "high": 1_000_000_000}),
        "n_layers_D: high cannot be 1000000000: write a number of at most 12",
    ),
    "filters without end": (
        space_text(ngf={"type": "categorical", "choices": [64, 10**9]}),
        "ngf: choices cannot be 1000000000: write a number of at most 256",
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
    "a list for a value": (space_text(lr=[1, 2]), "lr cannot be a list: write {type: cat"),
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
