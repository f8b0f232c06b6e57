"""The rows of the trials table: sorted and filtered, changed one by one, made into cells only on screen."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from typing import Any

from htr_tui.journal.records import TrialRecord
from htr_tui.panel.screens.trial_columns import CellContext, TrialColumn, sort_key
from htr_tui.panel.screens.trial_filter import Predicate
from htr_tui.panel.widgets.table_rows import CellValue

Entry = tuple[tuple[Any, ...], int]
"""Sort key and trial number, where the newer trial comes first among equals: its number is negated."""


class TrialRows:
    """A `RowSource` over trial records."""

    def __init__(self) -> None:
        self.trials: dict[int, TrialRecord] = {}
        self.columns: Sequence[TrialColumn] = ()
        self.context = CellContext()
        self.cells_made = 0
        """Rows asked for so far; counted for tests."""
        self._sort: TrialColumn | None = None
        self._is_descending = True
        self._predicate: Predicate | None = None
        self._entries: list[Entry] = []
        self._keys: dict[int, tuple[Any, ...]] = {}

    # -- RowSource -------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        """Number of rows."""
        return len(self._entries)

    def key(self, i: int) -> int:
        """The trial's number."""
        return -self._entries[i][1]

    def cells(self, i: int) -> Sequence[CellValue]:
        """The row's cells."""
        self.cells_made += 1
        trial = self.trials[self.key(i)]
        return [column.show(trial, self.context) for column in self.columns]

    def index_of(self, key: int | str) -> int | None:
        """The row of a trial."""
        if not isinstance(key, int) or key not in self._keys:
            return None
        return bisect_left(self._entries, (self._keys[key], -key))

    # -- changes ---------------------------------------------------------------------------------------------------

    @property
    def order(self) -> tuple[str | None, bool]:
        """Key of the column that sorts, and whether the largest come first."""
        return (self._sort.key if self._sort else None, self._is_descending)

    def arrange(
        self, columns: Sequence[TrialColumn], sort: str, is_descending: bool, predicate: Predicate | None
    ) -> None:
        """Sort and filter anew: O(n log n), so only when the order, the filter or the columns change."""
        self.columns = columns
        self._sort = next((column for column in columns if column.key == sort), columns[0] if columns else None)
        self._is_descending = is_descending
        self._predicate = predicate
        self._rebuild()

    def replace_all(self, trials: Iterable[TrialRecord]) -> None:
        """Forget all trials and take these."""
        self.trials = {trial.number: trial for trial in trials}
        self._rebuild()

    def update(self, trials: Iterable[TrialRecord]) -> None:
        """Take changed trials in, each at the cost of a search and a shift."""
        trials = list(trials)
        if len(trials) > max(64, len(self.trials) // 8):
            self.trials.update((trial.number, trial) for trial in trials)
            self._rebuild()
            return
        for trial in trials:
            self._update(trial)

    def _update(self, trial: TrialRecord) -> None:
        self.trials[trial.number] = trial
        old = self._keys.get(trial.number)
        new = self._key_of(trial)
        if old == new:
            return
        if old is not None:
            del self._entries[bisect_left(self._entries, (old, -trial.number))]
            del self._keys[trial.number]
        if new is not None:
            self._keys[trial.number] = new
            insort(self._entries, (new, -trial.number))

    def _key_of(self, trial: TrialRecord) -> tuple[Any, ...] | None:
        if self._sort is None or (self._predicate is not None and not self._predicate(trial)):
            return None
        return sort_key(self._sort, trial, self._is_descending)

    def _rebuild(self) -> None:
        self._keys = {number: key for number, trial in self.trials.items() if (key := self._key_of(trial)) is not None}
        self._entries = sorted((key, -number) for number, key in self._keys.items())

    # -- search ----------------------------------------------------------------------------------------------------

    def find(self, matches: Predicate, start: int, step: int) -> int | None:
        """The next row from `start` on, in direction `step`, that matches; goes round at the end."""
        count = len(self._entries)
        for offset in range(count):
            row = (start + step * offset) % count
            if matches(self.trials[self.key(row)]):
                return row
        return None
