"""Names and values of parameters as short text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from htr_tui.panel import format
from htr_tui.text import clean_text


def short_names(names: Iterable[str]) -> dict[str, str]:
    """Each name by as many of its last dotted parts as tell it from the others."""
    names = list(dict.fromkeys(names))
    shown = {name: name.rpartition(".")[2] or name for name in names}
    for parts in range(2, 8):
        often = {short for short, count in Counter(shown.values()).items() if count > 1}
        if not often:
            break
        for name in names:
            if shown[name] in often:
                shown[name] = ".".join(name.split(".")[-parts:])
    return {name: clean_text(short, 40) for name, short in shown.items()}


def show_value(value: Any, digits: int = 2) -> str:
    """A parameter's value for a table cell."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: format.MISSING}[value]
    if isinstance(value, int):
        return str(value) if abs(value) < 10**12 else format.number(value, digits)
    if isinstance(value, float):
        return compact_number(value)
    return clean_text(str(value), 60)


def compact_number(value: float) -> str:
    """About four significant digits, the same number of decimals for numbers of the same size; tiny ones as 4.1e-4."""
    size = abs(value)
    if 1e-9 <= size < 1e-3:
        return f"{value:.1e}".replace("e-0", "e-")
    if value == 0 or size >= 100:
        return format.number(value, 1)
    if size >= 10:
        return format.number(value, 1)
    return format.number(value, 2 if size >= 1 else 3 if size >= 0.01 else 4)


def describe_set(values: Mapping[str, Any]) -> str:
    """Overrides as `batch=4 use_cudnn=false`, names shortened."""
    shown = short_names(values)
    return " ".join(f"{shown[name]}={show_exact(value)}" for name, value in values.items())


def show_exact(value: Any) -> str:
    """A value as the user would type it after `--set K=`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return clean_text(str(value), 200)
