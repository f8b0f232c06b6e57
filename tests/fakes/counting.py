"""A fold whose trials are counted as they are looked at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from htr_tui.journal.fold import StudyFold
from htr_tui.journal.records import TrialRecord


class CountedTrials(dict[int, TrialRecord]):
    """Counts the records that are taken out, and forbids going through all of them."""

    taken = 0

    def __getitem__(self, number: int) -> TrialRecord:
        """One record."""
        self.taken += 1
        return super().__getitem__(number)

    def values(self) -> Any:
        """All of them: never."""
        raise AssertionError("every trial was looked at")

    items = values

    def __iter__(self) -> Iterator[int]:
        """All of them: never; from the newest on is fine."""
        raise AssertionError("every trial was looked at")


def counted(fold: StudyFold) -> CountedTrials:
    """Count from now on what is looked at in `fold`."""
    trials = CountedTrials(fold.trials)
    fold._trials = trials
    return trials
