"""Whoever reads a YAML file reads it in bounded time and memory, and takes nothing silently."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.config.best_config import read_best_config
from harness.errors import UserInputError
from harness.full_training.folder import claim_folder
from harness.trials.external.program import read_program
from search_spaces.space import load_space, read_mapping
from search_spaces.strict_yaml import MOST_BYTES

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join(['*' + before] * 9)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
MERGED = "a: &a {x: 1, y: 2}\n" + "".join(
    f"{name}: &{name} {{<<: [{', '.join(['*' + before] * 9)}]}}\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
HOSTILE = {
    "aliases of aliases": (BOMB, "more than 10000 entries"),
    "merged aliases": (MERGED, "more than 10000 entries"),
    "an alias in itself": ("a: &a [*a]", "the alias a contains itself"),
    "forty thousand keys": ("".join(f"k{n}: 1\n" for n in range(40_000)), "10000 entries"),
    "many keys twice": ("".join(f"k{n}: 1\n" for n in range(2400)) * 2, "k0 occurs twice"),
    "a deep list": ("a: " + "[" * 10_000, "nested deeper than 20"),
    "deep mappings": ("a: " + "{a: " * 30 + "}" * 30, "nested deeper than 20"),
    "a long number": ("a: " + "9" * 5000, "a number has more than 50 digits"),
    "a long number in base 60": ("a: 1" + ":1" * 5000, "a number has more than 50 digits"),
    "a long fraction": ("a: 1." + "0" * 5000, "a number has more than 50 digits"),
    "a date that is none": ("a: 2001-99-99", "does not fit its tag"),
    "a tag that does not fit": ("a: !!bool maybe", "does not fit its tag"),
    "an empty integer": ("a: !!int ''", "does not fit its tag"),
    "a long key twice": (f"? {'k' * 5000}\n: 1\n" * 2, "occurs twice"),
    "escape sequences": ("a: \x1b[31m", "special characters are not allowed"),
    "two documents": ("a: 1\n---\nb: 1\n", "another document"),
    "megabytes": ("#" * (MOST_BYTES + 1), "is larger than 1 MiB"),
}
READERS: dict[str, Callable[[Path], object]] = {
    "space": lambda file: load_space(str(file)),
    "best.yaml": read_best_config,
    "program": lambda file: read_program(file, 1.0),
    "training.yaml": lambda file: claim_folder(file.parent, {}),
}


EACH = [
    *((case, "space") for case in HOSTILE),
    *((case, reader) for reader in READERS for case in ("merged aliases", "megabytes")),
]


@pytest.mark.parametrize(("case", "reader"), dict.fromkeys(EACH))
def test_a_hostile_file_is_refused_in_one_sentence_and_soon(
    case: str, reader: str, tmp_path: Path
) -> None:
    text, reason = HOSTILE[case]
    file = tmp_path / "training.yaml"
    file.write_text(text, encoding="utf-8")
    begun = time.process_time()
    with pytest.raises((UserInputError, ValueError), match=reason) as refusal:
        READERS[reader](file)
    assert time.process_time() - begun < 5
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 500


def test_what_never_ends_is_not_read_to_its_end() -> None:
    with pytest.raises(UserInputError, match="is larger than 1 MiB"):
        read_best_config(Path("/dev/zero"))


def test_a_few_aliases_and_a_merge_mean_what_yaml_says() -> None:
    text = "base: &base {lr: 1, flip: yes}\nmine: {<<: *base, lr: 2}\nother: *base\n"
    assert read_mapping(text, "It") == {
        "base": {"lr": 1, "flip": True},
        "mine": {"lr": 2, "flip": True},
        "other": {"lr": 1, "flip": True},
    }


def test_a_training_without_its_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "training.yaml").write_text("seed: 0\n", encoding="utf-8")
    with pytest.raises(UserInputError, match=r"training\.yaml cannot be used \('key'\)"):
        claim_folder(tmp_path, {"seed": 0})
