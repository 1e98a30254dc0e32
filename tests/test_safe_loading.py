"""Files of others are read as data: no call that could run what a file holds."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("harness", "objectives", "reports", "search_spaces")
# Calls that run code of a file, whatever they are given.
FORBIDDEN = {
    *(f"{module}.{name}" for module in ("pickle", "marshal", "dill", "joblib") for name in
      ("load", "loads", "Unpickler")),
    *(f"yaml.{name}" for name in ("unsafe_load", "full_load", "load_all", "unsafe_load_all")),
    "torch.hub.load",
    "torch.jit.load",
    "pandas.read_pickle",
    "eval",
    "exec",
}  # fmt: skip


def unsafe_calls(source: str) -> Iterator[str]:
    """Each call that could run what a file holds, as `line: name`."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        given = {word.arg: ast.unparse(word.value) for word in node.keywords}
        unsafe = (
            name in FORBIDDEN
            or (name == "torch.load" and given.get("weights_only") != "True")
            or (name == "yaml.load" and [ast.unparse(arg) for arg in node.args[1:]] != [LOADER])
            or given.get("allow_pickle") == "True"
        )
        if unsafe:
            yield f"{node.lineno}: {name}"


LOADER = "StrictLoader"
FILES = [file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py"))]


def test_nothing_that_is_loaded_can_run_code() -> None:
    found = {
        str(file.relative_to(ROOT)): calls
        for file in FILES
        if (calls := list(unsafe_calls(file.read_text(encoding="utf-8"))))
    }
    assert found == {}
    loads = sum(file.read_text(encoding="utf-8").count("torch.load(") for file in FILES)
    assert loads >= 4, "the walk has missed the files"


@pytest.mark.parametrize(
    "call",
    [
        "torch.load(file)",
        "torch.load(file, weights_only=False)",
        "torch.load(file, weights_only=safe)",
        "yaml.load(text, yaml.Loader)",
        "yaml.load(text, Loader=yaml.SafeLoader)",
        "pickle.loads(content)",
        "numpy.load(file, allow_pickle=True)",
        "eval(text)",
    ],
)
def test_the_walk_sees_what_is_unsafe(call: str) -> None:
    assert len(list(unsafe_calls(f"def read():\n    return {call}\n"))) == 1


@pytest.mark.parametrize(
    "call", ["torch.load(f, weights_only=True)", "yaml.load(text, StrictLoader)", "net.eval()"]
)
def test_the_walk_passes_what_is_safe(call: str) -> None:
    assert not list(unsafe_calls(call))
