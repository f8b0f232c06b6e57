"""Our widgets must not take names that Textual uses for something else."""

from __future__ import annotations

import importlib
import pkgutil

import pytest
from textual.message_pump import MessagePump
from textual.widget import Widget

import htr_tui.panel.widgets as package

MEANT = {"__init__", "_nodes", "_query_by_id", "_widget"}
"""Names that may be set again without harm."""


def our_widgets() -> list[type[Widget]]:
    found: dict[str, type[Widget]] = {}
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, type) and issubclass(value, Widget) and value.__module__.startswith(package.__name__):
                found[value.__qualname__] = value
    return list(found.values())


@pytest.mark.parametrize("widget", our_widgets(), ids=lambda widget: widget.__qualname__)
def test_private_names_of_textual_are_left_alone(widget: type[Widget]) -> None:
    theirs = {name for base in widget.__mro__ if not base.__module__.startswith("htr_tui") for name in vars(base)}
    bare = Widget()
    theirs |= set(vars(bare))
    ours = {name for base in widget.__mro__ if base.__module__.startswith("htr_tui") for name in vars(base)}
    ours |= set(vars(widget())) - set(vars(bare))
    taken = {name for name in ours & theirs if name.startswith("_") and not name.startswith("__")}
    taken -= {name for name in taken if name.endswith(("_merged_bindings", "_css_type_names", "_decorated_handlers"))}
    taken -= {"_css_bases", "_computes", "_reactives", "_inherit_css", "_inherit_bindings", "_merged_bindings"}
    taken -= {"_css_type_name", "_inherit_component_classes", "_merge_bindings"}
    assert taken - MEANT == set()
    assert issubclass(widget, MessagePump)


def test_there_are_widgets() -> None:
    assert {"VirtualTable"} <= {widget.__qualname__ for widget in our_widgets()}
