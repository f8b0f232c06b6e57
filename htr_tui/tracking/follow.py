"""The journal as the mirror needs it: the fold, and when each objective was reported (the fold keeps values only)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from htr_tui.files import TailReader, to_number
from htr_tui.journal.fold import StudyFold


@dataclass(frozen=True, slots=True)
class Report:
    """One `attempt_reported` with a value."""

    t: float
    epoch: int
    value: float


class JournalFollower:
    """Reads the journal on; reports are kept until the trial is forgotten."""

    def __init__(self, path: Path) -> None:
        self.fold = StudyFold()
        self.generation = 0
        """Grows when the journal was replaced and everything is folded anew."""
        self._tail = TailReader(path)
        self._reports: dict[int, list[Report]] = {}
        self._forgotten: dict[int, int] = {}

    @property
    def offset(self) -> int:
        """Bytes of the journal read so far."""
        return self._tail.offset

    def refresh(self) -> None:
        """Read all that is new."""
        while True:
            offset, restarts = self._tail.offset, self._tail.restarts
            records, skipped = self._tail.read_records()
            if self._tail.restarts != restarts:
                self.fold, self._reports, self._forgotten, offset = StudyFold(), {}, {}, 0
                self.generation += 1
            self.fold.skipped += skipped
            for record in records:
                self.fold.apply(record)
                if record.get("event") == "attempt_reported":
                    self._report(record)
            if self._tail.offset == offset:
                return

    def _report(self, record: dict[str, Any]) -> None:
        trial, epoch = record.get("trial"), record.get("epoch")
        t, value = to_number(record.get("t")), to_number(record.get("value"))
        if isinstance(trial, int) and isinstance(epoch, int) and t is not None and value is not None:
            self._reports.setdefault(trial, []).append(Report(t, epoch, value))

    def reports(self, trial: int, start: int) -> list[Report]:
        """Reports of a trial from the `start`-th on."""
        forgotten = self._forgotten.get(trial, 0)
        return self._reports.get(trial, [])[max(0, start - forgotten) :]

    def forget(self, trial: int) -> None:
        """Free the reports of a trial whose reports have all been taken."""
        taken = self._reports.pop(trial, [])
        if taken:
            self._forgotten[trial] = self._forgotten.get(trial, 0) + len(taken)
