"""A table of any number of rows that builds only the lines on screen, where `DataTable` builds all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from htr_tui.panel.format import is_ascii_terminal
from htr_tui.panel.widgets.ink import ink
from htr_tui.panel.widgets.row_cache import Key, Row, RowCache
from htr_tui.panel.widgets.table_layout import Halves, TableLayout
from htr_tui.panel.widgets.table_rows import Cell, CellValue, Column, IndexedRows, Kind, RowSource, cell_segments, fit

__all__ = ["Cell", "CellValue", "Column", "IndexedRows", "Kind", "RowSource", "VirtualTable"]

HEADER: Final = 1

Look = tuple[Row, bool, bool]
"""A row, whether it is marked, whether the cursor is on it: all that its line depends on."""


class VirtualTable(ScrollView, can_focus=True):
    """A table over a `RowSource`. The cursor stays on its key when rows are inserted, sorted or filtered.

    After a change of the rows or of `marked` call `refresh_rows`; it repaints only lines that look different.
    """

    ALLOW_SELECT = False

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "virtual-table--header",
        "virtual-table--sorted",
        "virtual-table--cursor",
        "virtual-table--marked",
        "virtual-table--empty",
        "virtual-table--muted",
        "virtual-table--good",
        "virtual-table--warn",
        "virtual-table--bad",
        "virtual-table--accent",
    }

    DEFAULT_CSS = """
    VirtualTable {
        height: 1fr;
        background: $surface;
        color: $foreground;
        & > .virtual-table--header { background: $panel; color: $text-muted; text-style: bold; }
        & > .virtual-table--sorted { background: $panel; color: $text-primary; text-style: bold; }
        & > .virtual-table--cursor { background: $block-cursor-blurred-background; text-style: bold; }
        &:focus > .virtual-table--cursor { background: $primary-muted; text-style: bold; }
        & > .virtual-table--marked { color: $text-accent; text-style: bold; }
        & > .virtual-table--empty { color: $text-muted; text-style: italic; }
        & > .virtual-table--muted { color: $text-muted; }
        & > .virtual-table--good { color: $text-success; }
        & > .virtual-table--warn { color: $text-warning; }
        & > .virtual-table--bad { color: $text-error; }
        & > .virtual-table--accent { color: $text-accent; }
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "cursor_up", "Row up", show=False),
        Binding("down,j", "cursor_down", "Row down", show=False),
        Binding("pageup", "cursor_page_up", "Page up", show=False),
        Binding("pagedown", "cursor_page_down", "Page down", show=False),
        Binding("home,g", "cursor_first", "First row", show=False),
        Binding("end,G", "cursor_last", "Last row", show=False),
        Binding("enter", "select_row", "Open", show=False),
    ]

    class TableMessage(Message):
        """What a table tells; `control` lets `@on` choose the table."""

        def __init__(self, table: VirtualTable) -> None:
            super().__init__()
            self.table = table

        @property
        def control(self) -> VirtualTable:
            """The table."""
            return self.table

    class RowHighlighted(TableMessage):
        """The cursor came to another row; `key` is None when there are no rows. The newest replaces older ones."""

        def __init__(self, table: VirtualTable, key: Key | None) -> None:
            super().__init__(table)
            self.key = key

        def can_replace(self, message: Message) -> bool:
            """Say that only the newest place of the cursor counts."""
            return isinstance(message, VirtualTable.RowHighlighted) and message.table is self.table

    class RowSelected(TableMessage):
        """A row was chosen by enter or a double click."""

        def __init__(self, table: VirtualTable, key: Key) -> None:
            super().__init__(table)
            self.key = key

    class ColumnSelected(TableMessage):
        """The title of a column was clicked; `key` is the column's."""

        def __init__(self, table: VirtualTable, key: str) -> None:
            super().__init__(table)
            self.key = key

    def __init__(
        self,
        columns: Sequence[Column] = (),
        *,
        empty_text: str = "Nothing here yet.",
        fixed_columns: int = 1,
        gap: int = 2,
        ascii: bool | None = None,
        name: str | None = None,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(name=name, id=id, classes=classes)
        self.marked: set[Key] = set()
        """Keys of marked rows; call `refresh_rows` after a change."""
        self.cursor_key: Key | None = None
        self._cache = RowCache()
        self._cursor_row = 0
        self._sort: tuple[str, bool] | None = None
        self._empty_text = empty_text
        is_ascii = is_ascii_terminal() if ascii is None else ascii
        self._columns_layout = TableLayout(columns, fixed_columns, gap, is_ascii)
        self._drawn: dict[int, tuple[Look, Halves]] = {}
        self._header_halves: Halves | None = None

    # --- what the screen calls -------------------------------------------------------------------------------------

    @property
    def cursor_row(self) -> int:
        """The row under the cursor, from 0."""
        return self._cursor_row

    @property
    def row_count(self) -> int:
        """Rows of the source at the last refresh."""
        return self._cache.count

    @property
    def table_columns(self) -> tuple[Column, ...]:
        """The columns in their order."""
        return self._columns_layout.columns

    def set_columns(self, columns: Sequence[Column]) -> None:
        """Replace the columns; nothing happens if they are the same."""
        if tuple(columns) != self._columns_layout.columns:
            self._columns_layout.set_columns(columns)
            self._lay_out_columns()

    def set_rows(self, source: RowSource) -> None:
        """Show another source; the cursor stays on its key where the new source has it."""
        self._cache.source = source
        self.refresh_rows()

    def set_sort(self, column: str | None, reverse: bool = False) -> None:
        """Show by which column the source is sorted; the sorting itself is the source's."""
        sort = None if column is None else (column, reverse)
        if sort != self._sort:
            self._sort = sort
            self._header_halves = None
            self.refresh(Region(0, 0, self.size.width, HEADER))

    def set_empty_text(self, text: str) -> None:
        """Say what stands there without rows, and what to do about it."""
        if text != self._empty_text:
            self._empty_text = text
            if not self._cache.count:
                self.refresh()

    def refresh_rows(self) -> None:
        """Ask the source again for the rows on screen and repaint those that changed."""
        had_rows = self._cache.count > 0
        self._cache.reset()
        self._follow_key()
        size = Size(self._columns_layout.width, HEADER + self._cache.count)
        if size != self.virtual_size:
            self.virtual_size = size
        if had_rows != (self._cache.count > 0):
            self._drawn.clear()
            self.refresh()
            return
        before, self._drawn = self._drawn, {}
        for row in self._visible_rows():
            drawn = before.pop(row, None)
            if drawn is not None and drawn[0] == self._look(row):
                self._drawn[row] = drawn
            else:
                self._refresh_row(row)
        for row in before:
            self._refresh_row(row)

    def move_cursor(self, row: int) -> None:
        """Put the cursor on a row, clamped to the rows there are."""
        if not self._cache.count:
            return
        row = max(0, min(self._cache.count - 1, row))
        old, self._cursor_row = self._cursor_row, row
        key = self._cache.row(row)[0]
        for changed in {old, row}:
            self._drawn.pop(changed, None)
            self._refresh_row(changed)
        self._show_cursor()
        if key != self.cursor_key:
            self.cursor_key = key
            self.post_message(self.RowHighlighted(self, key))

    def move_to_key(self, key: Key) -> bool:
        """Put the cursor on the row of `key`; False if there is none."""
        row = self._cache.find(key, self._cursor_row)
        if row is None:
            return False
        self.move_cursor(row)
        return True

    def toggle_mark(self, key: Key | None = None) -> None:
        """Mark a row or take its mark away; without a key the one under the cursor."""
        key = self.cursor_key if key is None else key
        if key is None:
            return
        self.marked.symmetric_difference_update({key})
        row = self._cache.find(key, self._cursor_row)
        if row is not None:
            self._drawn.pop(row, None)
            self._refresh_row(row)

    # --- keys and mouse --------------------------------------------------------------------------------------------

    def action_cursor_up(self) -> None:
        """One row up."""
        self.move_cursor(self._cursor_row - 1)

    def action_cursor_down(self) -> None:
        """One row down."""
        self.move_cursor(self._cursor_row + 1)

    def action_cursor_page_up(self) -> None:
        """One screen up."""
        self.move_cursor(self._cursor_row - max(1, self._page() - 1))

    def action_cursor_page_down(self) -> None:
        """One screen down."""
        self.move_cursor(self._cursor_row + max(1, self._page() - 1))

    def action_cursor_first(self) -> None:
        """To the first row."""
        self.move_cursor(0)

    def action_cursor_last(self) -> None:
        """To the last row."""
        self.move_cursor(self._cache.count - 1)

    def action_select_row(self) -> None:
        """Choose the row under the cursor."""
        if self.cursor_key is not None:
            self.post_message(self.RowSelected(self, self.cursor_key))

    def on_click(self, event: events.Click) -> None:
        """Click: cursor; double click: choose; click on a title: sort."""
        place = event.get_content_offset(self)
        if place is None:
            return
        event.stop()
        if place.y < HEADER:
            column = self._columns_layout.column_at(place.x, self.scroll_offset.x)
            if column is not None:
                self.post_message(self.ColumnSelected(self, column.key))
            return
        row = place.y - HEADER + self.scroll_offset.y
        if row < self._cache.count:
            self.move_cursor(row)
            if event.chain == 2:
                self.action_select_row()

    # --- drawing ---------------------------------------------------------------------------------------------------

    def on_resize(self) -> None:
        """Give stretching columns their new width and keep the cursor in sight."""
        self._lay_out_columns()
        self._show_cursor()

    def notify_style_update(self) -> None:
        """Forget lines drawn with the old theme."""
        self._drawn.clear()
        self._header_halves = None
        super().notify_style_update()

    def render_line(self, y: int) -> Strip:
        """One line of the screen: the titles, a row, or what stands there without rows."""
        width = self.size.width
        if y < HEADER:
            return self._join_halves(self._header(), self._style("header"))
        if not self._cache.count:
            return self._empty_line(y)
        row = y - HEADER + self.scroll_offset.y
        if not 0 <= row < self._cache.count:
            return Strip.blank(width, self.rich_style)
        if row not in self._drawn:
            if len(self._drawn) > 4 * self._page() + 64:
                self._drawn.clear()
            self._drawn[row] = (self._look(row), self._row_halves(row))
        return self._join_halves(self._drawn[row][1], self._row_style(row))

    def _join_halves(self, halves: Halves, style: Style) -> Strip:
        """Fixed columns, then the rest as far as it is scrolled."""
        fixed, rest = halves
        width = self.size.width
        left = self.scroll_offset.x
        shown = rest.crop(left, left + max(0, width - fixed.cell_length))
        return Strip.join([fixed, shown]).adjust_cell_length(width, style)

    def _header(self) -> Halves:
        if self._header_halves is None:
            self._header_halves = self._columns_layout.titles(self._sort, self._style("header"), self._style("sorted"))
        return self._header_halves

    def _row_halves(self, row: int) -> Halves:
        _, cells = self._cache.row(row)
        layout = self._columns_layout
        base = self._row_style(row)
        kinds = {kind: ink(self._style(kind)) for kind in ("muted", "good", "warn", "bad", "accent")}
        parts = []
        for i, (column, width) in enumerate(zip(layout.columns, layout.widths, strict=True)):
            value = cells[i] if i < len(cells) else ""
            parts.append(list(cell_segments(value, column, width, base, kinds, layout.ascii)))
        cursor = Segment(layout.shown("▸" if row == self._cursor_row else " "), base)
        mark = Segment(layout.shown("◆" if self._is_marked(row) else " "), base + ink(self._style("marked")))
        return layout.line([cursor, mark], parts, base)

    def _empty_line(self, y: int) -> Strip:
        width = self.size.width
        if y != HEADER + 1:
            return Strip.blank(width, self.rich_style)
        text = self._columns_layout.shown(self._empty_text)
        return Strip([Segment(fit("  " + text, width, "left"), self._style("empty"))])

    def _row_style(self, row: int) -> Style:
        style = self._style("cursor") if row == self._cursor_row else self.rich_style
        return style + Style(bold=True) if self._is_marked(row) else style

    def _style(self, part: str) -> Style:
        return self.get_component_rich_style(f"virtual-table--{part}")

    # --- rows ------------------------------------------------------------------------------------------------------

    def _is_marked(self, row: int) -> bool:
        return bool(self.marked) and self._cache.key(row) in self.marked

    def _look(self, row: int) -> Look:
        """All that decides what the line of a row looks like."""
        return self._cache.row(row), self._is_marked(row), row == self._cursor_row

    def _follow_key(self) -> None:
        """Keep the cursor on its key; without it, on the row that took its place."""
        if not self._cache.count:
            self._cursor_row = 0
            if self.cursor_key is not None:
                self.cursor_key = None
                self.post_message(self.RowHighlighted(self, None))
            return
        found = None if self.cursor_key is None else self._cache.find(self.cursor_key, self._cursor_row)
        top = self.scroll_offset.y
        if found is not None:
            moved = found - self._cursor_row
            self._cursor_row = found
            if moved and (top > 0 or found >= self._page()):
                self._scroll_rows(top + moved)
            return
        self._cursor_row = min(self._cursor_row, self._cache.count - 1)
        self.cursor_key = self._cache.key(self._cursor_row)
        self.post_message(self.RowHighlighted(self, self.cursor_key))

    # --- places ----------------------------------------------------------------------------------------------------

    def _page(self) -> int:
        return max(1, self.size.height - HEADER)

    def _visible_rows(self) -> range:
        top = max(0, self.scroll_offset.y)
        return range(top, min(self._cache.count, top + self._page()))

    def _refresh_row(self, row: int) -> None:
        y = row - self.scroll_offset.y + HEADER
        if HEADER <= y < self.size.height:
            self.refresh(Region(0, y, self.size.width, 1))

    def _show_cursor(self) -> None:
        if not self._cache.count or not self.size.height:
            return
        top = self.scroll_offset.y
        if self._cursor_row < top:
            self._scroll_rows(self._cursor_row)
        elif self._cursor_row >= top + self._page():
            self._scroll_rows(self._cursor_row - self._page() + 1)

    def _scroll_rows(self, top: int) -> None:
        height = HEADER + self._cache.count
        if self.virtual_size.height != height:
            self.virtual_size = Size(self._columns_layout.width, height)
        self.scroll_to(y=max(0, min(top, self._cache.count - self._page())), animate=False, force=True)

    def _lay_out_columns(self) -> None:
        self._columns_layout.stretch(self.size.width - self.scrollbar_size_vertical)
        self._drawn.clear()
        self._header_halves = None
        self.virtual_size = Size(self._columns_layout.width, HEADER + self._cache.count)
        self.refresh()
