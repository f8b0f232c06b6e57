"""Metrics out of a table that a trainer appends to, or writes anew: a header, then a row an epoch or a step."""

from __future__ import annotations

import csv
import time

from htr_tui.metrics.collector import Observation, Reading
from htr_tui.metrics.epochs import EpochRule, number_of, step_of
from htr_tui.metrics.growing import GrowingFile, Place

DELIMITERS = ",;\t|"
"""What a header is looked at for, in this order where it has as many of two."""
EPOCH_NAMES = ("epoch", "epochs")
STEP_NAMES = ("step", "steps", "global_step", "iteration", "iter")


class CsvSource:
    """Reads rows on. Lines with a quoted line break in them are not understood, and counted."""

    def __init__(self, place: Place, rule: EpochRule, delimiter: str | None = None) -> None:
        self._file = GrowingFile(place)
        self._rule = rule
        self._wanted_delimiter = delimiter
        self._bad_rows = 0
        self._text_columns: set[str] = set()
        """Columns that held something else than numbers; counted once each, for they are no mistake."""
        self._forget()

    def _forget(self) -> None:
        self._header: list[str] | None = None
        self._delimiter = self._wanted_delimiter or ","
        self._epoch_at: int | None = None
        self._step_at: int | None = None
        self._rows = 0

    @property
    def skipped(self) -> int:
        """Rows that could not be read, and names of columns with text in them."""
        return self._bad_rows + len(self._text_columns) + self._file.skipped

    @property
    def trouble(self) -> str:
        """Why nothing is found."""
        name = self._rule.name
        is_column = name not in (None, "count", "step")
        if self._header is not None and is_column and self._epoch_at is None:
            return f"{self._file.place.path} has no column {name!r}, only {', '.join(self._header[:20])}"
        return self._file.trouble

    def read(self, deadline: float, *, final: bool) -> Reading:
        """Rows until the deadline."""
        found: list[Observation] = []
        while True:
            chunk = self._file.read(final=final)
            if chunk.restarted:
                self._forget()
            for line in chunk.lines:
                if (observation := self._take(line)) is not None:
                    found.append(observation)
            if chunk.is_done or time.monotonic() > deadline:
                return Reading(found, chunk.is_done)

    def _take(self, line: bytes) -> Observation | None:
        text = line.decode("utf-8-sig" if self._header is None else "utf-8", "replace").rstrip("\r")
        if not text.strip() or text.startswith("#"):
            return None
        if self._header is None and self._wanted_delimiter is None:
            self._delimiter = max(DELIMITERS, key=text.count)
        cells = self._cells(text)
        if cells is None:
            self._bad_rows += 1
            return None
        if self._is_header(cells):
            self._set_header(cells)
            return None
        return self._row(cells)

    def _cells(self, text: str) -> list[str] | None:
        try:
            rows = list(csv.reader([text], delimiter=self._delimiter, skipinitialspace=True))
        except csv.Error:
            return None
        return [cell.strip() for cell in rows[0]] if len(rows) == 1 else None

    def _is_header(self, cells: list[str]) -> bool:
        """The first row; later one without any number, with as many names (repeated or changed by a new start)."""
        if self._header is None:
            return True
        has_number = any(number_of(cell) is not None for cell in cells)
        return not has_number and len([cell for cell in cells if cell]) > 1

    def _set_header(self, cells: list[str]) -> None:
        self._header = cells
        lowered = [cell.lower() for cell in cells]
        wanted = self._rule.name
        if wanted in (None, "count", "step"):
            self._epoch_at = next((lowered.index(name) for name in EPOCH_NAMES if name in lowered), None)
        else:
            self._epoch_at = cells.index(wanted) if wanted in cells else None
        self._step_at = next((lowered.index(name) for name in STEP_NAMES if name in lowered), None)

    def _row(self, cells: list[str]) -> Observation | None:
        header = self._header or []
        if len(cells) < len(header) or any(cells[len(header) :]):
            self._bad_rows += 1
            return None
        self._rows += 1
        step = step_of(cells[self._step_at]) if self._step_at is not None else None
        epoch = self._epoch(cells, step)
        if epoch is None:
            self._bad_rows += 1
            return None
        values: dict[str, float] = {}
        for place, (name, cell) in enumerate(zip(header, cells, strict=False)):
            if place in (self._epoch_at, self._step_at) or not cell or _is_index(name):
                continue
            value = number_of(cell)
            if value is None:
                self._text_columns.add(name)
            else:
                values[name] = value
        return Observation(epoch, values, step) if values else None

    def _epoch(self, cells: list[str], step: int | None) -> int | None:
        if self._rule.name == "step":
            return self._rule.epoch_of(step)
        if self._rule.name == "count" or (self._rule.name is None and self._epoch_at is None):
            return self._rows
        return None if self._epoch_at is None else self._rule.epoch_of(cells[self._epoch_at])


def _is_index(name: str) -> bool:
    """The column of row numbers that pandas writes."""
    return not name or name.startswith("Unnamed: ")
