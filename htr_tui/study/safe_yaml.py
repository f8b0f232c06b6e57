"""YAML as people mean it: values with their places in the text, and none of YAML 1.1's surprises.

Plain scalars are numbers only in forms that everybody reads the same way; `no`, `12:30`, `010` and dates stay text,
`1e-4` is a number, equal keys are a mistake, tags are refused, aliases and sizes are bounded.
"""

from __future__ import annotations

import io
import math
import re
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from htr_tui.errors import ConfigError, ConfigProblem

MAX_BYTES: Final = 256 * 1024
"""A longer study file is a mistake (a data file given by accident)."""
MAX_NODES: Final = 20_000
"""Values after aliases are followed: bounds the "billion laughs"."""
MAX_DEPTH: Final = 40

Path = tuple[str | int, ...]

_WORDS: Final[dict[str, Any]] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
    ".inf": math.inf, "+.inf": math.inf, "-.inf": -math.inf, ".nan": math.nan,
}  # fmt: skip
_INT = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})", re.ASCII)
_FLOAT = re.compile(r"[-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in the text; both count from 1."""

    line: int
    column: int


@dataclass(slots=True)
class Document:
    """A read file: plain values, where each of them stands, and the mistakes that do not stop the reading."""

    file: str
    value: Any = None
    value_marks: dict[Path, Mark] = field(default_factory=dict)
    key_marks: dict[Path, Mark] = field(default_factory=dict)
    problems: list[ConfigProblem] = field(default_factory=list)

    def mark(self, path: Path, *, of_key: bool = False) -> Mark | None:
        """The place of the value (or key) at `path`, or of the nearest thing around it."""
        if of_key and path in self.key_marks:
            return self.key_marks[path]
        for length in range(len(path), -1, -1):
            if (mark := self.value_marks.get(path[:length])) is not None:
                return mark
        return None

    def problem(
        self, path: Path, message: str, *, allowed: str = "", suggestion: str = "", of_key: bool = False
    ) -> ConfigProblem:
        """A mistake at `path` of this file."""
        mark = self.mark(path, of_key=of_key)
        return ConfigProblem(
            file=self.file,
            line=mark.line if mark else None,
            column=mark.column if mark else None,
            key=dotted(path),
            message=message,
            allowed=allowed,
            suggestion=suggestion,
        )


def dotted(path: Path) -> str:
    """A path for people: `search.space.lr`, `objective[1].maximize`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else (f".{part}" if text else part)
    return text


def read_scalar(text: str) -> Any:
    """The value of an unquoted scalar: None, bool, int, float, or the text itself."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text)
    if len(text) <= 100 and _FLOAT.fullmatch(text):
        return float(text)
    return text


class _Composer(yaml.SafeLoader):
    """Composes nodes only; refuses tags and depth before anything is built."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if getattr(event, "tag", None) is not None:
            raise yaml.MarkedYAMLError(None, None, f"the tag {event.tag!r} is not allowed", event.start_mark)
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise yaml.MarkedYAMLError(None, None, f"nested deeper than {MAX_DEPTH} levels", event.start_mark)
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1


class _Builder:
    """Turns nodes into plain values, noting marks and mistakes."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self._count = 0
        self._open: set[int] = set()

    def build(self, node: yaml.Node, path: Path) -> Any:
        self._count += 1
        if self._count > MAX_NODES:
            raise yaml.MarkedYAMLError(None, None, f"more than {MAX_NODES} values", node.start_mark)
        self.document.value_marks[path] = _mark(node)
        if isinstance(node, yaml.ScalarNode):
            if any("\ud800" <= character <= "\udfff" for character in node.value):
                raise yaml.MarkedYAMLError(None, None, "half a surrogate pair is no character", node.start_mark)
            return read_scalar(node.value) if node.style is None else node.value
        if id(node) in self._open:
            raise yaml.MarkedYAMLError(None, None, "an alias that contains itself", node.start_mark)
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.SequenceNode):
                return [self.build(child, (*path, i)) for i, child in enumerate(node.value)]
            return self._mapping(node, path)
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: yaml.Node, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(None, None, "a key must be a word", key_node.start_mark)
            key = key_node.value
            child = (*path, key)
            if key in result:
                first, again = self.document.key_marks[child], _mark(key_node)
                self.document.problems.append(
                    ConfigProblem(
                        self.document.file,
                        again.line,
                        again.column,
                        dotted(child),
                        f"the key {key!r} is given twice: in line {first.line} and in line {again.line}",
                        "each key once",
                    )
                )
                continue
            self.document.key_marks[child] = _mark(key_node)
            result[key] = self.build(value_node, child)
        return result


def _mark(node: yaml.Node) -> Mark:
    return Mark(node.start_mark.line + 1, node.start_mark.column + 1)


def read_yaml(text: str, file: str) -> Document:
    """The document in `text`; ConfigError where the text is no YAML that we read at all."""
    document = Document(file)
    if len(text.encode("utf-8", "replace")) > MAX_BYTES:
        raise ConfigError([ConfigProblem(file, None, None, "", f"larger than {MAX_BYTES // 1024} KiB", "a study file")])
    try:
        loader = _Composer(text)
        try:
            node = loader.get_single_node()
            if node is not None:
                document.value = _Builder(document).build(node, ())
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        raise ConfigError([_syntax_problem(error, file)]) from None
    except yaml.YAMLError as error:  # characters that YAML forbids; the error has no mark of its own
        raise ConfigError([_character_problem(error, text, file)]) from None
    except RecursionError:
        raise ConfigError([ConfigProblem(file, None, None, "", "nested too deeply", "")]) from None
    return document


def _syntax_problem(error: yaml.MarkedYAMLError, file: str) -> ConfigProblem:
    mark = error.problem_mark or error.context_mark
    message = ", ".join(part for part in (error.context, error.problem) if part) or "not YAML"
    hint = "spaces, no tabs, before a key" if mark is not None and "\\t" in message else ""
    return ConfigProblem(file, mark.line + 1 if mark else None, mark.column + 1 if mark else None, "", message, hint)


def _character_problem(error: yaml.YAMLError, text: str, file: str) -> ConfigProblem:
    position = getattr(error, "position", None)
    if not isinstance(position, int):
        return ConfigProblem(file, None, None, "", f"not YAML: {error}")
    line = text.count("\n", 0, position) + 1
    column = position - (text.rfind("\n", 0, position) + 1) + 1
    return ConfigProblem(file, line, column, "", f"the character {text[position : position + 1]!r} is not allowed")


class _Dumper(yaml.SafeDumper):
    """Quotes every text that either YAML 1.1 or `read_scalar` would read as something else."""


def _represent_text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    # PyYAML writes these breaks into single quotes and reads them back as spaces; in double quotes it escapes them.
    has_rare_breaks = any(character in value for character in "\x85\u2028\u2029\ufeff")
    style = '"' if has_rare_breaks or not isinstance(read_scalar(value), str) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _represent_text)


def dump_yaml(value: Any) -> str:
    """`value` as YAML that this module and every YAML 1.1 reader take for the same."""
    return str(yaml.dump(value, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=110))


def node_of(value: Any) -> yaml.Node:
    """`value` as a node to put into a tree of them, written like `dump_yaml` writes it; short lists on one line."""
    dumper = _Dumper(io.StringIO(), default_flow_style=None, allow_unicode=True)
    try:
        return dumper.represent_data(value)
    finally:
        dumper.dispose()
