"""YAML files in which values are set: their nodes, never turned into values, so that all else stays as written."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, Final

import yaml

from htr_tui.study.safe_yaml import node_of
from htr_tui.study.template_places import TemplateError, prefixes

MAX_DEPTH: Final = 40
_MERGE = "tag:yaml.org,2002:merge"
_MAP = "tag:yaml.org,2002:map"


class YamlTree:
    """The nodes of a YAML file. A value set where an anchor is defined counts for its aliases; elsewhere it does not."""

    def __init__(self, text: str) -> None:
        try:
            loader = yaml.SafeLoader(text)
            try:
                root = loader.get_single_node()
            finally:
                loader.dispose()
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            raise TemplateError(f"no YAML: {error.problem or error}", mark.line + 1 if mark else None) from None
        except yaml.YAMLError as error:
            raise TemplateError(f"no YAML: {error}") from None
        if root is None:
            root = yaml.MappingNode(_MAP, [], flow_style=False)
        if not isinstance(root, yaml.MappingNode):
            raise TemplateError("the file is no mapping of keys to values", root.start_mark.line + 1)
        self._root: yaml.Node = root
        self._defined: dict[int, tuple[str, ...]] = {}
        self._note_definitions(root, ())

    def _note_definitions(self, node: yaml.Node, path: tuple[str, ...]) -> None:
        """Where each node is written out; at every other path it is an alias."""
        if id(node) in self._defined:
            return
        if len(path) > MAX_DEPTH:
            raise TemplateError("nested too deeply", node.start_mark.line + 1)
        self._defined[id(node)] = path
        if isinstance(node, yaml.MappingNode):
            for key, child in node.value:
                self._note_definitions(child, (*path, key.value if isinstance(key, yaml.ScalarNode) else ""))
        elif isinstance(node, yaml.SequenceNode):
            for index, child in enumerate(node.value):
                self._note_definitions(child, (*path, str(index)))

    def find(self, name: str) -> str | None:
        """What is at `name`."""
        found = self._find(self._root, name)
        if found is None:
            return None
        return "section" if isinstance(found[-1], yaml.MappingNode) else "value"

    def _find(self, node: yaml.Node, name: str) -> tuple[tuple[str, ...], yaml.Node] | None:
        """(the keys that lead to `name`, the node there)."""
        for key, rest in prefixes(name):
            child = _child(node, key)
            if child is None:
                continue
            if not rest:
                return (key,), child
            if (found := self._find(child, rest)) is not None:
                return (key, *found[0]), found[1]
        return None

    def set(self, name: str, value: Any) -> None:
        """Set a value."""
        found = self._find(self._root, name)
        if found is not None and isinstance(found[1], yaml.MappingNode):
            raise TemplateError(f"{name!r} is a section, not a value")
        keys = found[0] if found is not None else tuple(name.split("."))
        self._root = self._with(self._root, keys, (), node_of(list(value) if isinstance(value, tuple) else value))

    def _with(self, node: yaml.Node, keys: tuple[str, ...], path: tuple[str, ...], new: yaml.Node) -> yaml.Node:
        """`node` (itself, or its copy where it is an alias) with `new` at `keys` below it."""
        if not keys:
            return _put_in_place(node, new) if self._defined.get(id(node)) == path else new
        key, rest = keys[0], keys[1:]
        if not isinstance(node, yaml.MappingNode | yaml.SequenceNode):
            raise TemplateError(f"{'.'.join((*path, *keys))!r} cannot be set: {'.'.join(path)!r} is no section")
        if self._defined.get(id(node), path) != path:
            node = copy.deepcopy(node)
        old = _child(node, key)
        if isinstance(node, yaml.SequenceNode):
            if old is None:
                raise TemplateError(f"{'.'.join((*path, *keys))!r} cannot be set: a list has no place {key!r}")
            node.value[int(key)] = self._with(old, rest, (*path, key), new)
            return node
        child = self._with(old or yaml.MappingNode(_MAP, [], flow_style=False), rest, (*path, key), new)
        if any(_is_key(k, key) for k, _ in node.value):
            node.value[:] = [(k, child if _is_key(k, key) else v) for k, v in node.value]
        else:
            node.value.append((node_of(key), child))
        return node

    def names(self) -> list[str]:
        """The dotted names of all values."""
        return list(_node_names(self._root, "", 0))

    def text(self) -> str:
        """The file; comments are not in it."""
        return str(yaml.serialize(self._root, Dumper=yaml.SafeDumper, allow_unicode=True, width=100_000))


def _put_in_place(node: yaml.Node, new: yaml.Node) -> yaml.Node:
    """`node` with the content of `new`, so that aliases of it follow; `new` where they are of different kinds."""
    if isinstance(node, yaml.ScalarNode) and isinstance(new, yaml.ScalarNode):
        node.tag, node.value, node.style = new.tag, new.value, new.style
        return node
    if isinstance(node, yaml.SequenceNode) and isinstance(new, yaml.SequenceNode):
        node.tag, node.value, node.flow_style = new.tag, new.value, new.flow_style
        return node
    return new


def _is_key(node: yaml.Node, key: str) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.value == key and node.tag != _MERGE


def _child(node: yaml.Node, key: str) -> yaml.Node | None:
    """The node below `key`, also one that a merge (`<<`) brings; of equal keys the last, as YAML readers take it."""
    if isinstance(node, yaml.SequenceNode):
        return node.value[int(key)] if key.isdecimal() and int(key) < len(node.value) else None
    if not isinstance(node, yaml.MappingNode):
        return None
    found: yaml.Node | None = next((child for k, child in reversed(node.value) if _is_key(k, key)), None)
    if found is not None:
        return found
    for candidate, merged in node.value:
        if candidate.tag == _MERGE:
            for source in merged.value if isinstance(merged, yaml.SequenceNode) else [merged]:
                if source is not node and (found := _child(source, key)) is not None:
                    return found
    return None


def _node_names(node: yaml.Node, prefix: str, depth: int) -> Iterator[str]:
    if not isinstance(node, yaml.MappingNode) or depth > MAX_DEPTH:
        return
    for key, child in node.value:
        if not isinstance(key, yaml.ScalarNode) or key.tag == _MERGE:
            continue
        if isinstance(child, yaml.MappingNode):
            yield from _node_names(child, f"{prefix}{key.value}.", depth + 1)
        else:
            yield f"{prefix}{key.value}"
