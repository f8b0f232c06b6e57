"""Names with one or more values beside them, such as a trial's parameters against the best trial's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from rich.cells import cell_len
from rich.segment import Segment
from textual.geometry import Size
from textual.strip import Strip
from textual.widget import Widget

from htr_tui.panel.format import MISSING, is_ascii_terminal, to_ascii
from htr_tui.panel.widgets.table_rows import fit
from htr_tui.text import clean_text

GAP: Final = 2
MARK: Final = 2
"""Cells before the name: the mark of rows that differ."""


@dataclass(frozen=True, slots=True)
class KeyValueRow:
    """A name and its values; None is a value that is not there."""

    name: str
    values: tuple[str | None, ...]
    is_different: bool = False
    """Marked by a sign and a colour."""
    note: str = ""
    """Said behind the values."""


def compare_rows(names: Sequence[str], *sides: dict[str, str]) -> list[KeyValueRow]:
    """Rows of names with the value on each side, marked where the sides differ."""
    rows = []
    for name in names:
        values = tuple(side.get(name) for side in sides)
        rows.append(KeyValueRow(name, values, len(set(values)) > 1))
    return rows


def column_widths(rows: Sequence[KeyValueRow], headings: Sequence[str], width: int) -> list[int]:
    """Widths of name, values and note: what they need, the widest cut until all fit."""
    count = max([len(headings) - 1, *(len(row.values) for row in rows)], default=0)
    needs = [max([cell_len(row.name) for row in rows], default=0)]
    needs.extend(
        max([cell_len(_shown(row.values[i])) for row in rows if i < len(row.values)], default=0) for i in range(count)
    )
    needs = [max(need, cell_len(headings[i]) if i < len(headings) else 0) for i, need in enumerate(needs)]
    room = max(len(needs), width - MARK - GAP * (len(needs) - 1))
    while sum(needs) > room:
        widest = max(range(len(needs)), key=lambda i: needs[i])
        second = max([need for i, need in enumerate(needs) if i != widest], default=0)
        excess = sum(needs) - room
        needs[widest] -= max(1, min(excess, needs[widest] - second))
    return [max(1, need) for need in needs]


def _shown(value: str | None) -> str:
    return MISSING if value is None else clean_text(value, 500)


class KeyValues(Widget):
    """Rows of a name and values, aligned; as high as its rows."""

    ALLOW_SELECT = False

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        f"key-values--{part}" for part in ("heading", "name", "value", "missing", "different", "note", "empty")
    }

    DEFAULT_CSS = """
    KeyValues {
        height: auto;
        width: 1fr;
        color: $foreground;
        & > .key-values--heading { color: $text-muted; text-style: bold; }
        & > .key-values--name { color: $text-muted; }
        & > .key-values--value { color: $foreground; }
        & > .key-values--missing { color: $text-disabled; }
        & > .key-values--different { color: $text-accent; text-style: bold; }
        & > .key-values--note { color: $text-muted; text-style: italic; }
        & > .key-values--empty { color: $text-muted; text-style: italic; }
    }
    """

    def __init__(
        self,
        *,
        empty_text: str = "Nothing to show.",
        ascii: bool | None = None,
        name: str | None = None,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(name=name, id=id, classes=classes)
        self._is_ascii = is_ascii_terminal() if ascii is None else ascii
        self._empty_text = empty_text
        self._headings: tuple[str, ...] = ()
        self._value_rows: tuple[KeyValueRow, ...] = ()

    def set_values(self, rows: Sequence[KeyValueRow], headings: Sequence[str] = ()) -> None:
        """Replace the rows and the words above the columns, the name's first. Equal rows draw nothing."""
        cleaned = tuple(
            KeyValueRow(clean_text(row.name, 200), row.values, row.is_different, clean_text(row.note, 200))
            for row in rows
        )
        if (cleaned, tuple(headings)) != (self._value_rows, self._headings):
            self._value_rows, self._headings = cleaned, tuple(headings)
            self.refresh(layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """A line for each row, one for the headings, one for the empty text."""
        return max(1, len(self._value_rows) + self._heading_count)

    @property
    def _heading_count(self) -> int:
        return 1 if self._headings and self._value_rows else 0

    def render_line(self, y: int) -> Strip:
        """The headings, or a row."""
        width = self.size.width
        if not self._value_rows:
            segments = [self._piece(self._empty_text, "empty")] if y == 0 else []
        else:
            widths = column_widths(self._value_rows, self._headings, width)
            row = y - self._heading_count
            if row < 0:
                segments = self._heading_line(widths)
            elif row < len(self._value_rows):
                segments = self._row_line(self._value_rows[row], widths)
            else:
                segments = []
        return Strip(segments).adjust_cell_length(width, self.rich_style)

    def _heading_line(self, widths: Sequence[int]) -> list[Segment]:
        words = [fit(clean_text(word, 200), width, "left") for word, width in zip(self._headings, widths, strict=False)]
        return [self._piece(" " * MARK + (" " * GAP).join(words), "heading")]

    def _row_line(self, row: KeyValueRow, widths: Sequence[int]) -> list[Segment]:
        part = "different" if row.is_different else "value"
        segments = [self._piece("≠ " if row.is_different else "  ", "different")]
        segments.append(self._piece(fit(row.name, widths[0], "left"), "name"))
        for value, width in zip(row.values, widths[1:], strict=False):
            shown = " " * GAP + fit(_shown(value), width, "left")
            segments.append(self._piece(shown, "missing" if value is None else part))
        if row.note:
            segments.append(self._piece(" " * GAP + row.note, "note"))
        return segments

    def _piece(self, text: str, part: str) -> Segment:
        return Segment(to_ascii(text) if self._is_ascii else text, self.get_component_rich_style(f"key-values--{part}"))
