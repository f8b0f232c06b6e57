"""Our widgets must not take names that Textual uses for something else."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re

import pytest
from textual.widget import Widget

import htr_tui.panel.widgets as package

GENERATED = {
    "_merged_bindings", "_css_bases", "_computes", "_reactives", "_inherit_css", "_inherit_bindings",
    "_merge_bindings", "_css_type_name", "_css_type_names", "_decorated_handlers", "_inherit_component_classes",
}  # fmt: skip
"""Set on every class by Textual itself."""

OVERRIDDEN = {
    "ALLOW_SELECT", "ALLOW_MAXIMIZE", "BINDINGS", "COMPONENT_CLASSES", "DEFAULT_CSS", "can_focus", "can_focus_children",
    "compose", "on_mount", "render", "render_line", "focus", "check_action", "notify_style_update",
    "watch_scroll_y", "get_content_width", "get_content_height", "action_scroll_up", "action_scroll_down",
}  # fmt: skip
"""What Textual wants to be overridden."""

SET_IN_INIT = re.compile(r"self\.(_?\w+)(?:: [^=\n]+)? = ")


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
    theirs |= set(vars(Widget()))
    our_classes = [base for base in widget.__mro__ if base.__module__.startswith("htr_tui")]
    methods = {name for base in our_classes for name in vars(base) if name[:2] != "__"} - OVERRIDDEN
    attributes = {name for base in our_classes for name in SET_IN_INIT.findall(inspect.getsource(base))}
    meant = {"cursor_blink", "can_focus", "border_title", "border_subtitle", "virtual_size", "tooltip"}
    assert (methods | attributes) & theirs - GENERATED - meant == set()


def test_there_are_widgets() -> None:
    assert {
        "VirtualTable",
        "LogView",
        "LogLines",
        "CurveChart",
        "ChartGrid",
        "PictureView",
        "DeviceStrip",
    } <= {widget.__qualname__ for widget in our_widgets()}
