"""What the commands print: JSON for scripts, aligned tables for people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from htr_tui.files import to_plain
from htr_tui.text import clean_text


def print_json(record: dict[str, Any]) -> None:
    """One JSON object; NaN and infinities as strings."""
    print(json.dumps(to_plain(record), ensure_ascii=False, allow_nan=False, indent=1))


def plain(value: Any, digits: int = 4) -> str:
    """A value as a short clean text."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.{digits}g}"
    return clean_text(str(value), 200)


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]], *, right: frozenset[int] = frozenset()) -> None:
    """An aligned table; columns in `right` are right-aligned."""
    cells = [list(head), *[list(row) for row in rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    for row in cells:
        parts = [c.rjust(w) if i in right else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))]
        print("  ".join(parts).rstrip())


def seconds_text(seconds: float | None) -> str:
    """Like 07:31 or 2:14:05."""
    if seconds is None:
        return "-"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes:02d}:{rest:02d}"


def bytes_text(size: int | None) -> str:
    """Like 11.2 GB."""
    if size is None:
        return "-"
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
