"""YAML text in; plain data plus the line of every key out, with duplicate keys and bad syntax as problems.

The text is composed into nodes rather than loaded, because only nodes know their lines. Dates stay text and
keys must be strings: a scenario never means a ``datetime``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml

from lab.errors import Problem

__all__ = ["Document", "KeyPath", "path_text", "read_document"]

KeyPath = tuple[str | int, ...]

DEPTH_MAX = 32
SIZE_MAX = 1_000_000  # characters; a scenario is two screens


@dataclass(frozen=True, kw_only=True)
class Document:
    """``lines`` maps the path of every key and list item to its line, counted from 1."""

    file: str
    data: Any
    lines: dict[KeyPath, int]
    problems: tuple[Problem, ...]

    def line(self, path: KeyPath) -> int:
        """The line of ``path``, or of the nearest parent that is in the file."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.lines:
                return self.lines[path[:length]]
        return 1

    def problem(self, path: KeyPath, message: str, hint: str | None = None) -> Problem:
        return Problem(file=self.file, line=self.line(path), key=path_text(path), message=message, hint=hint)


def path_text(path: KeyPath) -> str:
    """('faults', 0, 'at') -> "faults[0].at"."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def read_document(text: str, *, file: str) -> Document:
    """Never raises: what cannot be read is a problem of the document, whose data is then None."""

    def broken(message: str, line: int) -> Document:
        problem = Problem(file=file, line=line, key="", message=message)
        return Document(file=file, data=None, lines={}, problems=(problem,))

    if len(text) > SIZE_MAX:
        return broken(f"a scenario has at most {SIZE_MAX} characters, this has {len(text)}", 0)
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        return broken(f"not YAML: {error.problem or error.context}", mark.line + 1 if mark else 0)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        return broken(f"not YAML: {' '.join(str(error).split())}", 0)
    if node is None:
        return broken("the file is empty", 0)
    walker = _Walker(file)
    data = walker.build(node, (), 0)
    return Document(file=file, data=data, lines=walker.lines, problems=tuple(walker.problems))


class _Walker:
    def __init__(self, file: str) -> None:
        self.file = file
        self.lines: dict[KeyPath, int] = {}
        self.problems: list[Problem] = []
        self.constructor = yaml.constructor.SafeConstructor()

    def problem(self, node: yaml.Node, path: KeyPath, message: str) -> None:
        self.problems.append(
            Problem(file=self.file, line=node.start_mark.line + 1, key=path_text(path), message=message)
        )

    def build(self, node: yaml.Node, path: KeyPath, depth: int) -> Any:
        self.lines.setdefault(path, node.start_mark.line + 1)
        if depth > DEPTH_MAX:
            self.problem(node, path[:4], f"nested deeper than {DEPTH_MAX} levels")
            return None
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, path, depth)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*path, index), depth + 1) for index, item in enumerate(node.value)]
        return self.scalar(node, path)

    def mapping(self, node: yaml.MappingNode, path: KeyPath, depth: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self.problem(key_node, path, "a key must be a word")
                continue
            key = str(key_node.value)
            here = (*path, key)
            line = key_node.start_mark.line + 1
            if key in result:
                self.problem(key_node, here, f"given twice; first on line {self.lines[here]}")
                continue
            self.lines[here] = line
            result[key] = self.build(value_node, here, depth + 1)
        return result

    def scalar(self, node: yaml.Node, path: KeyPath) -> Any:
        if node.tag == "tag:yaml.org,2002:timestamp":
            return str(node.value)
        try:
            return self.constructor.construct_object(node)
        except (yaml.YAMLError, ValueError) as error:
            self.problem(node, path, f"cannot be read: {' '.join(str(error).split())}")
            return None
