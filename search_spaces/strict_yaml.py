"""YAML as a person meant it: a mapping, read safely, with no key said twice."""

from collections.abc import Hashable
from typing import Any

import yaml


class StrictLoader(yaml.SafeLoader):
    """The safe loader, which also refuses a key said twice (YAML would keep the last, silently)."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [key.value for key, _ in node.value]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {twice} stands twice", node.start_mark
            )
        return super().construct_mapping(node, deep)


def read_mapping(text: str, where: str) -> dict[Any, Any]:
    """The mapping that `text` holds.

    Raises:
        ValueError: `text` is no YAML or no mapping; the sentence begins with `where`.
    """
    try:
        data = yaml.load(text, StrictLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" on line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ValueError(f"{where} is not valid YAML{line}: {problem}.") from error
    if not isinstance(data, dict):
        raise ValueError(f"{where} must be a YAML mapping, not {kind(data)}.")
    return data


def kind(value: object) -> str:
    """What a person calls a YAML value's type."""
    if value is None:
        return "empty"
    return {list: "a list", str: "a text", bool: "a yes/no value"}.get(
        type(value), f"a {type(value).__name__}"
    )
