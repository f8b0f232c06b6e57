"""YAML as people mean it: `1e-4` is a number, `no` and `12:30` are text, a key given twice is a mistake.

Built on PyYAML's composer only, so that each value keeps its line; nothing in the text can construct an object.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from htr_gan.errors import ConfigProblem

KeyPath = tuple[str | int, ...]

MAX_DEPTH = 32
"""Deeper nesting is an attack or a mistake."""

_INTEGER = re.compile(r"[-+]?[0-9]+\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_WORDS: dict[str, Any] = {"": None, "~": None, "null": None, "true": True, "false": False}
_SPECIAL = {".inf": float("inf"), "+.inf": float("inf"), "-.inf": float("-inf"), ".nan": float("nan")}

_CORE_TAGS = {
    f"tag:yaml.org,2002:{name}"
    for name in ("map", "seq", "str", "int", "float", "bool", "null", "timestamp", "merge", "value")
}
"""What PyYAML's resolver gives to values without a tag of their own."""


@dataclass
class Document:
    """The values of a text, and where each of them stands."""

    value: Any = None
    places: dict[KeyPath, tuple[int, int]] = field(default_factory=dict)
    """Key path to line and column, from 1."""
    problems: list[ConfigProblem] = field(default_factory=list)


def parse_scalar(text: str) -> Any:
    """A plain (unquoted) scalar by the core rules of YAML 1.2: null, booleans, numbers, else text."""
    word = text.lower()
    if word in _WORDS and text in (word, word.capitalize(), word.upper()):
        return _WORDS[word]
    if _INTEGER.match(text) and len(text) < 40:
        return int(text)
    if _FLOAT.match(text):
        return float(text)
    return _SPECIAL.get(word, text)


class _Reader:
    def __init__(self, file: str) -> None:
        self.file = file
        self.document = Document()
        self._open: set[int] = set()

    def report(self, node: yaml.Node, path: KeyPath, message: str) -> None:
        mark = node.start_mark
        key = ".".join(str(part) for part in path)
        self.document.problems.append(ConfigProblem(self.file, mark.line + 1, mark.column + 1, key, message))

    def read(self, node: yaml.Node, path: KeyPath) -> Any:
        self.document.places.setdefault(path, (node.start_mark.line + 1, node.start_mark.column + 1))
        if len(path) > MAX_DEPTH or id(node) in self._open:
            self.report(node, path[:4], "nested too deeply")
            return None
        self._open.add(id(node))
        try:
            return self._read_known(node, path)
        finally:
            self._open.discard(id(node))

    def _read_known(self, node: yaml.Node, path: KeyPath) -> Any:
        if node.tag not in _CORE_TAGS:
            self.report(node, path, f"the tag {node.tag} is not allowed here")
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.read(item, (*path, index)) for index, item in enumerate(node.value)]
        if not isinstance(node, yaml.ScalarNode):
            self.report(node, path, "not a value")
            return None
        text = str(node.value)
        return parse_scalar(text) if node.style is None else text

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self.report(key_node, path, "a key must be a plain word")
                continue
            key = str(key_node.value)
            here = (*path, key)
            if key in result:
                self.report(key_node, here, f"given twice, first on line {self.document.places[here][0]}")
                continue
            self.document.places[here] = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            result[key] = self.read(value_node, here)
        return result


class _TagKeepingLoader(yaml.SafeLoader):
    """The safe loader's scanner, parser and composer; its constructor is never called."""


def parse_yaml(text: str, file: str) -> Document:
    """The document in `text`; mistakes of syntax are in `problems`, never raised."""
    reader = _Reader(file)
    loader: _TagKeepingLoader | None = None
    try:
        loader = _TagKeepingLoader(text)
        node = loader.get_single_node()
        if node is not None:
            reader.document.value = reader.read(node, ())
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (None, None)
        message = str(getattr(error, "problem", None) or getattr(error, "reason", None) or "not YAML")
        reader.document.problems.append(ConfigProblem(file, line, column, "", message))
    except RecursionError:
        reader.document.problems.append(ConfigProblem(file, None, None, "", "nested too deeply"))
    finally:
        if loader is not None:
            loader.dispose()
    return reader.document
