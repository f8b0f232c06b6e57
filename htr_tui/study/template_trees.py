"""A trainer's own config file as a tree in which values are set: YAML, JSON and TOML.

What is not set stays what the trainer's own reader would take it for. YAML is therefore never turned into values: its
nodes are kept as they were written (`no`, `1e-4`, `!include x`, anchors), and only set places are made anew.
"""

from __future__ import annotations

from typing import Any, Protocol

from htr_tui.study.plain_tree import PlainTree, read_json_text, read_toml_text
from htr_tui.study.template_places import TemplateError
from htr_tui.study.yaml_tree import YamlTree

__all__ = ["TemplateError", "Tree", "read_tree"]


class Tree(Protocol):
    """A config file in which values can be set by dotted name (`loss.pixel`, `layers.0.size`)."""

    def find(self, name: str) -> str | None:
        """What is at `name`: "value" (a list too), "section", or None for nothing."""

    def set(self, name: str, value: Any) -> None:
        """Set a value, making sections on the way; TemplateError where a value stands in the way."""

    def names(self) -> list[str]:
        """The dotted names of all values."""

    def text(self) -> str:
        """The file."""


def read_tree(form: str, text: str) -> Tree:
    """The tree of a file in `form`: yaml, json or toml; TemplateError where it is not."""
    try:
        if form == "yaml":
            return YamlTree(text)
        return PlainTree(read_json_text(text), form) if form == "json" else PlainTree(read_toml_text(text), form)
    except RecursionError:
        raise TemplateError("nested too deeply") from None
