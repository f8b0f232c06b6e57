"""The rows of a source that are on screen, asked for once between two refreshes."""

from __future__ import annotations

from collections.abc import Iterable

from htr_tui.panel.widgets.table_rows import CellValue, IndexedRows, RowSource

Key = int | str
Row = tuple[Key | None, tuple[CellValue, ...]]
"""Key and cells; no key and no cells where the source lost the row."""


class RowCache:
    """Rows of a `RowSource`, at most `limit` of them kept."""

    def __init__(self, limit: int = 512) -> None:
        self.source: RowSource | None = None
        self.count = 0
        """Rows of the source at the last `reset`."""
        self._limit = limit
        self._rows: dict[int, Row] = {}

    def reset(self) -> None:
        """Forget everything; the source is asked again."""
        self._rows.clear()
        self.count = len(self.source) if self.source is not None else 0

    def known(self, row: int) -> Row | None:
        """The row as it was asked for last, None if it was not."""
        return self._rows.get(row)

    def row(self, row: int) -> Row:
        """Key and cells of a row."""
        found = self._rows.get(row)
        if found is None:
            if len(self._rows) >= self._limit:
                self._rows.clear()
            found = self._rows[row] = self._ask(row)
        return found

    def key(self, row: int) -> Key | None:
        """The key of a row, without asking for its cells."""
        found = self._rows.get(row)
        if found is not None:
            return found[0]
        if self.source is None:
            return None
        try:
            return self.source.key(row)
        except (IndexError, KeyError):
            return None

    def find(self, key: Key, near: int) -> int | None:
        """The row of a key, looked for around `near` first: rows seldom move far."""
        if isinstance(self.source, IndexedRows):
            row = self.source.index_of(key)
            return row if row is not None and 0 <= row < self.count else None
        return next((row for row in self._around(near) if self.key(row) == key), None)

    def _ask(self, row: int) -> Row:
        if self.source is None:
            return None, ()
        try:
            return self.source.key(row), tuple(self.source.cells(row))
        except (IndexError, KeyError):
            return None, ()

    def _around(self, middle: int) -> Iterable[int]:
        for distance in range(max(self.count, middle + 1)):
            if 0 <= middle - distance < self.count:
                yield middle - distance
            if distance and middle + distance < self.count:
                yield middle + distance
