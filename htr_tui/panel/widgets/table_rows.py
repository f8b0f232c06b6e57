"""What a table shows: columns, a source of rows, and how cells become segments of a line. Knows no widget."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple, Protocol, runtime_checkable

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from rich.text import Text

from htr_tui.panel.format import to_ascii
from htr_tui.text import clean_text

Align = Literal["left", "right", "center"]
Kind = Literal["", "muted", "good", "warn", "bad", "accent"]
"""What a cell means; the table's style sheet gives it a colour."""


class Cell(NamedTuple):
    """A text with a meaning, for sources that want colour from the theme."""

    text: str
    kind: Kind = ""


CellValue = str | Text | Cell


@dataclass(frozen=True, slots=True)
class Column:
    """One column: how it is called, how wide it is, where its text stands."""

    key: str
    title: str
    width: int
    align: Align = "left"
    style: Kind = ""
    """Kind of the cells that do not say one themselves."""
    stretch: bool = False
    """Takes the width that the other columns leave over; at least `width`."""


class RowSource(Protocol):
    """Rows made on demand; the table asks only for those on screen."""

    def __len__(self) -> int:
        """Number of rows."""
        ...

    def key(self, i: int) -> int | str:
        """What stays the same for a row however the rows are sorted or filtered."""
        ...

    def cells(self, i: int) -> Sequence[CellValue]:
        """The row's cells in the order of the columns; missing ones are blank."""
        ...


@runtime_checkable
class IndexedRows(Protocol):
    """A source that finds a key by itself; without it the table looks through the keys."""

    def index_of(self, key: int | str) -> int | None:
        """The row of `key`, None if there is none."""
        ...


def stretched_widths(columns: Sequence[Column], available: int, gap: int) -> list[int]:
    """The width of each column in a table of `available` cells."""
    widths = [max(1, column.width) for column in columns]
    spare = available - sum(widths) - gap * max(0, len(columns) - 1)
    elastic = [i for i, column in enumerate(columns) if column.stretch]
    for place, i in enumerate(elastic):
        if spare > 0:
            widths[i] += spare // len(elastic) + (1 if place < spare % len(elastic) else 0)
    return widths


def fit(text: str, width: int, align: Align) -> str:
    """`text` in exactly `width` cells; a cut is marked by an ellipsis."""
    length = cell_len(text)
    if length > width:
        return set_cell_size(text, width - 1) + "…" if width > 1 else set_cell_size(text, width)
    if length == width:
        return text
    spare = width - length
    if align == "right":
        return " " * spare + text
    if align == "center":
        return " " * (spare // 2) + text + " " * (spare - spare // 2)
    return text + " " * spare


def cell_segments(
    value: CellValue, column: Column, width: int, base: Style, kinds: Mapping[str, Style], ascii: bool
) -> Iterable[Segment]:
    """The segments of one cell, exactly `width` cells wide."""
    if isinstance(value, Text):
        yield from _text_segments(value, column, width, base, ascii)
        return
    text, kind = (value.text, value.kind) if isinstance(value, Cell) else (value, "")
    kind = kind or column.style
    shown = fit(clean_text(str(text)), width, column.align)
    style = base + kinds[kind] if kind and kind in kinds else base
    yield Segment(to_ascii(shown) if ascii else shown, style)


def _text_segments(value: Text, column: Column, width: int, base: Style, ascii: bool) -> Iterable[Segment]:
    """A Rich text keeps its own styles over those of the row; a text with controls loses them."""
    text = value if value.plain.isprintable() else Text(clean_text(value.plain))
    spare = width - text.cell_len
    left = spare if column.align == "right" else (spare // 2 if column.align == "center" else 0)
    if spare < 0:
        text = text.copy()
        text.truncate(width, overflow="ellipsis")
    if left > 0:
        yield Segment(" " * left, base)
    for span_text, style in _styled_runs(text):
        yield Segment(to_ascii(span_text) if ascii else span_text, base + style)
    rest = width - max(0, left) - text.cell_len
    if rest > 0:
        yield Segment(" " * rest, base)


def _styled_runs(text: Text) -> Iterable[tuple[str, Style]]:
    """Pieces of `text` with one style each; style names of themes are not looked up."""
    plain = text.plain
    cuts = sorted({0, len(plain), *(min(max(edge, 0), len(plain)) for span in text.spans for edge in span[:2])})
    own = text.style if isinstance(text.style, Style) else _parsed(text.style)
    for start, end in pairwise(cuts):
        style = own
        for span in text.spans:
            if span.start <= start and end <= span.end:
                style += span.style if isinstance(span.style, Style) else _parsed(span.style)
        yield plain[start:end], style


def _parsed(definition: str) -> Style:
    try:
        return Style.parse(definition)
    except Exception as error:  # rich raises several kinds for a name it does not know
        if not type(error).__module__.startswith("rich"):
            raise
        return Style.null()
