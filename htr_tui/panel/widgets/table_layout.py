"""Where the columns of a table stand: widths, the fixed part, the part that scrolls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from htr_tui.panel.format import to_ascii
from htr_tui.panel.widgets.table_rows import Column, fit, stretched_widths

GUTTER: Final = 2
"""Cells before the first column: the cursor's mark and the mark of marked rows, so that neither needs colour."""

Halves = tuple[Strip, Strip]
"""The fixed columns of a line and those that scroll."""


class TableLayout:
    """Columns with the widths they got; makes lines of their cells."""

    def __init__(self, columns: Sequence[Column], fixed_columns: int, gap: int, ascii: bool) -> None:
        self.columns = tuple(columns)
        self.ascii = ascii
        self._fixed_columns = fixed_columns
        self._gap = gap
        self.widths = [max(1, column.width) for column in columns]

    def set_columns(self, columns: Sequence[Column]) -> None:
        """Replace the columns; widths hold until the next `stretch`."""
        self.columns = tuple(columns)
        self.widths = [max(1, column.width) for column in columns]

    def stretch(self, available: int) -> None:
        """Share `available` cells out to the columns."""
        self.widths = stretched_widths(self.columns, available - GUTTER, self._gap)

    @property
    def width(self) -> int:
        """Cells of a whole line."""
        return GUTTER + sum(self.widths) + self._gap * max(0, len(self.widths) - 1)

    def line(self, gutter: Sequence[Segment], parts: Sequence[Sequence[Segment]], style: Style) -> Halves:
        """The segments of each column as a line."""
        gap = Segment(" " * self._gap, style)
        fixed: list[Segment] = list(gutter)
        rest: list[Segment] = []
        for i, part in enumerate(parts):
            target = fixed if i < self._fixed_columns else rest
            target.extend(part)
            if i < len(parts) - 1:
                target.append(gap)
        return Strip(fixed), Strip(rest)

    def titles(self, sort: tuple[str, bool] | None, plain: Style, sorted_style: Style) -> Halves:
        """The line of titles, with an arrow at the column that sorts (True: descending)."""
        parts = []
        for column, width in zip(self.columns, self.widths, strict=True):
            if sort is not None and sort[0] == column.key:
                arrow = "▼" if sort[1] else "▲"
                title = fit(column.title, min(len(column.title), width - 1), "left") + arrow
                parts.append([Segment(self.shown(fit(title, width, column.align)), sorted_style)])
            else:
                parts.append([Segment(self.shown(fit(column.title, width, column.align)), plain)])
        return self.line([Segment(" " * GUTTER, plain)], parts, plain)

    def shown(self, text: str) -> str:
        """`text` as the terminal can show it."""
        return to_ascii(text) if self.ascii else text

    def column_at(self, x: int, scrolled: int) -> Column | None:
        """The column at `x` of the screen line when the moving part is scrolled by some cells."""
        left = GUTTER
        for i, (column, width) in enumerate(zip(self.columns, self.widths, strict=True)):
            start = left if i < self._fixed_columns else left - scrolled
            if start <= x < start + width + self._gap:
                return column
            left += width + self._gap
        return None
