"""Read a YAML mapping safely, with limits on its size and without duplicate keys."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

# Limits for a settings file: far above any real file, far below what would exhaust the machine.
MOST_BYTES = 1 << 20
MOST_NODES = 10_000
DEEPEST = 20
LONGEST_NUMBER = 50
LONGEST_PROBLEM = 200  # characters of PyYAML's own message
LONGEST_WORD = 60


class StrictLoader(yaml.SafeLoader):
    """PyYAML's safe loader, which also rejects duplicate keys and oversized documents.

    PyYAML would silently use the last of duplicate keys. A document is too large if it is nested
    too deeply, or has too many nodes once its aliases are expanded.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.depth = 0
        self.nodes = 0
        self.sizes: dict[yaml.Node, int] = {}

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        before = self.nodes
        self.depth += 1
        if self.depth > DEEPEST:
            raise yaml_error(f"it is nested deeper than {DEEPEST} levels", event.start_mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        if node is None:
            return None
        if isinstance(event, yaml.AliasEvent):
            if node not in self.sizes:
                raise yaml_error(f"the alias {event.anchor} contains itself", event.start_mark)
            self.nodes += self.sizes[node]
        else:
            self.nodes += 1
            self.sizes[node] = self.nodes - before
        if self.nodes > MOST_NODES:
            raise yaml_error(f"it holds more than {MOST_NODES} entries", event.start_mark)
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml_error(
                        f"the key {key.value[:LONGEST_WORD]} occurs twice", key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)

    def construct_number(self, node: yaml.ScalarNode) -> float:
        if len(node.value) > LONGEST_NUMBER:
            raise yaml_error(f"a number has more than {LONGEST_NUMBER} digits", node.start_mark)
        whole = node.tag.endswith(":int")
        read = self.construct_yaml_int if whole else self.construct_yaml_float
        return read(node)  # a float or an int


StrictLoader.add_constructor("tag:yaml.org,2002:int", StrictLoader.construct_number)
StrictLoader.add_constructor("tag:yaml.org,2002:float", StrictLoader.construct_number)


def yaml_error(problem: str, mark: Any) -> yaml.MarkedYAMLError:
    return yaml.constructor.ConstructorError(None, None, problem, mark)


def read_bounded(file: Path) -> str:
    """Read a text file of limited size.

    Raises:
        OSError: it cannot be read.
        UnicodeDecodeError: it is not UTF-8.
        ValueError: it is too large.
    """
    with file.open("rb") as opened:
        content = opened.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError(
            f"{file} is larger than {MOST_BYTES >> 20} MiB, too large for a file of settings."
        )
    return content.decode("utf-8")


def read_mapping(text: str, where: str) -> dict[Any, Any]:
    """Parse a YAML mapping.

    Raises:
        ValueError: `text` is not YAML, not a mapping, or too large; messages start with `where`.
    """
    try:
        data = yaml.load(text, StrictLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" on line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ValueError(
            f"{where} is not valid YAML{line}: {problem[:LONGEST_PROBLEM]}."
        ) from error
    except (ValueError, LookupError, AttributeError, TypeError) as error:
        # PyYAML raises these for an invalid date, or a value that does not fit its tag.
        raise ValueError(f"{where} is not valid YAML: a value does not fit its tag.") from error
    if not isinstance(data, dict):
        raise ValueError(f"{where} must be a YAML mapping, not {type_in_words(data)}.")
    return data


def type_in_words(value: object) -> str:
    """The type of a YAML value, in words for the user."""
    if value is None:
        return "empty"
    return {list: "a list", str: "a text", bool: "a yes/no value"}.get(
        type(value), f"a {type(value).__name__}"
    )
