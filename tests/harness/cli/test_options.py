"""Options are the fields of the settings models, each stated once, and given once."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import typer
from pydantic import Field

from harness.cli.app import app
from harness.cli.options import Command, Deferred, command_of, described_with_limits
from harness.config.models import Options
from harness.config.options import Option, command_words
from harness.config.settings import SearchConfig
from harness.config.train_config import TrainConfig
from harness.errors import UserInputError

BASIC = {"budget", "data", "direction", "study", "profile", "init-from", "set", "run-dir"}

InProcess = Callable[..., tuple[int, str, str]]


def commands(group: Any, before: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, one in group.commands.items():
        if hasattr(one, "commands"):
            yield from commands(one, (*before, name))
        else:
            yield (*before, name), one.resolve() if isinstance(one, Deferred) else one


COMMANDS = dict(commands(typer.main.get_command(app)))
SINGLE = [
    (words, option)
    for words, one in COMMANDS.items()
    for option in one.params
    if option.param_type_name == "option" and not option.multiple and not option.is_flag
]


class Wish(Options):
    """A model with an option of each kind."""

    size: Annotated[int, Field(ge=1, le=9, description="How large."), Option("Looks")] = 3
    tone: Annotated[Literal["warm", "cold"], Option("Looks", flag="--hue", basic=True)] = "warm"
    names: Annotated[tuple[Path, ...], Option("Files", metavar="FILE")] = ()
    loud: Annotated[bool, Option("Looks")] = False
    internal: int = 0


def wished(*words: str) -> tuple[Wish, bool]:
    found = []

    def keep(
        wish: Wish, dry: Annotated[bool, typer.Option("--dry", help="Run nothing.")] = False
    ) -> None:
        found.append((wish, dry))

    one = typer.Typer(rich_markup_mode=None)
    one.command(cls=Command)(command_of(Wish, keep))
    one(words, standalone_mode=False)
    (only,) = found
    return only


def test_a_field_of_a_model_is_an_option_of_the_command() -> None:
    assert wished() == (Wish(), False)
    wish, dry = wished("--size", "4", "--hue", "cold", "--names", "a", "--names", "b", "--dry")
    assert (wish, dry) == (Wish(size=4, tone="cold", names=(Path("a"), Path("b"))), True)
    assert wish.model_fields_set == {"size", "tone", "names"}
    assert wished("--loud")[0].loud
    with pytest.raises(
        UserInputError, match=r"^--size 10 cannot be used: write a number of at most 9"
    ):
        wished("--size", "10")
    with pytest.raises(UserInputError, match=r"^--hue red cannot be used: write warm or cold"):
        wished("--hue", "red")


@pytest.mark.parametrize(
    ("command", "model"),
    [("search", SearchConfig), ("train", TrainConfig)],
    ids=["search", "train"],
)
def test_every_setting_is_an_option_with_help_default_and_group(
    command: str, model: type[Options]
) -> None:
    given = {option.name: option for option in COMMANDS[command,].params}
    for name, field in model.model_fields.items():
        option = given[name]
        assert field.description
        if ranged(option):
            assert re.fullmatch(rf"{re.escape(field.description)}  \[\d+<=x<=\d+\]", option.help), (
                name
            )
        else:
            assert option.help == field.description
        assert option.rich_help_panel or option.param_type_name == "argument"
        if isinstance(field.default, str | int | Path) and not isinstance(field.default, bool):
            assert option.default == str(field.default)
        elif field.default_factory:
            assert option.default is None  # it depends on other options


def ranged(option: Any) -> bool:
    """Whether it takes whole numbers, whose least and largest the help then names."""
    return "N" in (option.metavar or "").split("|")


def test_the_help_names_the_range_of_numbers() -> None:
    assert described_with_limits(Wish.model_fields["size"]) == "How large.  [1<=x<=9]"
    repeats = {option.name: option for option in COMMANDS["compare",].params}["repeats"]
    assert repeats.help == "Fresh seeds that a finalist is trained on.  [2<=x<=100]"


def options_in(text: str) -> set[str]:
    return set(re.findall(r"^  --([a-z-]+)", text, re.MULTILINE))


def test_help_of_search_lists_nine_options_in_groups_and_the_rest_where_asked(
    in_process: InProcess,
) -> None:
    code, short, _ = in_process("search", "--help")
    assert code == 0
    assert options_in(short) - {"help-all"} == BASIC | {"dry-run"}
    code, full, _ = in_process("search", "--help-all")
    assert code == 0
    others = options_in(full) - options_in(short)
    assert others >= {"sampler", "finalists", "storage", "quiet", "json", "timeout"}
    assert f"--help-all                      Show the other {len(others)} options, too." in short
    assert "--help-all                      Show all options.\n" in full
    assert {"Trials:", "Pictures:", "Machine:"} <= set(full.splitlines())
    assert "Machine:" not in short.splitlines()
    assert max(map(len, (short + full).splitlines())) <= 80


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_the_help_names_placeholders_and_keeps_the_example_on_one_line(
    words: tuple[str, ...], in_process: InProcess
) -> None:
    _, out, _ = in_process(*words, "--help")
    usage, *rest = out.splitlines()
    assert usage.startswith(f"Usage: harness {' '.join(words)} [OPTIONS]")
    assert usage.endswith({"look": " [STUDY]", "spaces": " [SPACE]"}.get(words[-1], ""))
    names = [line[:34] for line in rest if line.startswith("  ")]
    assert not any(re.search(r"<[a-z]|\{", name) for name in (usage, *names))
    help_text = COMMANDS[words].help or ""
    assert help_text.rpartition("Example: ")[2].strip() in [
        line.removeprefix("  Example: ") for line in rest
    ]


def test_every_command_that_leaves_options_out_can_show_them(in_process: InProcess) -> None:
    hiding = [words for words, one in COMMANDS.items() if any(o.hidden for o in one.params)]
    assert ("train",) in hiding
    for words in hiding:
        code, full, _ = in_process(*words, "--help-all")
        assert code == 0
        names = {
            option.opts[-1].removeprefix("--")
            for option in COMMANDS[words].params
            if option.param_type_name == "option"
        }
        assert options_in(full) >= names


@pytest.mark.parametrize(
    ("words", "option"), SINGLE, ids=[f"{' '.join(w)} {o.opts[-1]}" for w, o in SINGLE]
)
def test_an_option_with_one_value_is_given_once(
    words: tuple[str, ...], option: Any, in_process: InProcess, tmp_path: Path
) -> None:
    name = option.opts[-1]
    code, out, refusal = in_process(*words, name, "5", f"{name}=7")
    called = " ".join(words)
    assert (code, out) == (2, "")
    assert refusal == (
        f"harness: {name} is given 2 times: leave one out. See harness {called} --help.\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_flags_and_options_with_several_values_may_be_repeated() -> None:
    wish, dry = wished("--loud", "--loud", "--dry", "--dry", "--names", "a", "--names", "a")
    assert (wish.loud, dry, wish.names) == (True, True, (Path("a"), Path("a")))


def test_settings_as_words_give_the_same_settings(tmp_path: Path) -> None:
    given = SearchConfig(
        budget=7,
        data=tmp_path / "my pairs",
        direction="BtoA",
        pinned={"gan_mode": "lsgan", "netG": "unet_128"},
        pareto=True,
        skip_bad=False,
        seed=0,
        init_from=(Path("a.pth"), Path("b.pth")),
        timeout="90m",
        study="faces",
    )
    words = command_words(given, leave_out=("budget", "run_dir"))
    assert words[:2] == ["--data", str(tmp_path / "my pairs")]
    assert "--skip-bad" not in words
    read: list[SearchConfig] = []
    one = typer.Typer(rich_markup_mode=None)
    one.command(cls=Command)(command_of(SearchConfig, read.append))
    one([*words, "--budget", "7"], standalone_mode=False)
    files = tuple(file.absolute() for file in given.init_from)
    assert read == [given.model_copy(update={"init_from": files})]
    assert command_words(SearchConfig()) == []
