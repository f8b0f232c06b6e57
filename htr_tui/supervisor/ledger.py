"""The journal's one writer, and the state that the journal folds to."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from htr_tui.files import LineAppender, dump_line
from htr_tui.journal.fold import JournalReader, StudyFold
from htr_tui.journal.paths import StudyPaths
from htr_tui.journal.records import AttemptRecord, TrialRecord
from htr_tui.supervisor.clock import Clock

Recorded = Callable[[dict[str, Any]], None]


class StudyLedger:
    """Writes what happens to a study and folds it at once: what is not written did not happen."""

    def __init__(self, paths: StudyPaths, clock: Clock, on_record: Recorded | None = None) -> None:
        self.paths = paths
        self.clock = clock
        self.fold = StudyFold()
        self.active_s = 0.0
        """Seconds in which this supervisor could start trials; every record tells it."""
        self._on_record = on_record
        self._journal: LineAppender | None = None

    def open(self) -> None:
        """Read what happened so far, and be ready to write."""
        self._journal = LineAppender(self.paths.journal)
        reader = JournalReader(self.paths.journal)
        reader.refresh()
        self.fold = reader.fold

    def close(self) -> None:
        """Let go of the file."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def record(self, event: str, *, follow_up: dict[str, Any] | None = None, **fields: Any) -> None:
        """Write one event (or two that belong together) and fold it; OSError if the disk refuses: nothing happened."""
        assert self._journal is not None
        now = self.clock.time()
        records = [{"t": now, "event": event, **{k: v for k, v in fields.items() if v is not None}}]
        if follow_up is not None:
            records.append({"t": now, **{k: v for k, v in follow_up.items() if v is not None}})
        if event != "attempt_reported":  # of which a long journal mostly consists
            records[0]["up"] = round(self.active_s, 1)
        self._journal.append(*records, durable=event != "attempt_reported")  # after a power cut: read again
        for record in records:
            self.fold.apply(record)
            if self._on_record is not None:
                self._on_record(record)

    def note(self, level: str, message: str, trial: int | None = None) -> None:
        """Tell the user something, in the journal and the supervisor's log (which a foreground run has not)."""
        if self._on_record is None:
            sys.stderr.buffer.write(dump_line({"t": self.clock.time(), "note": message}))
            sys.stderr.flush()
        self.record("note", level=level, message=message, trial=trial)

    def running(self) -> list[tuple[TrialRecord, AttemptRecord]]:
        """Running trials with their attempts."""
        return [(t, a) for t in self.fold.in_state("running") if (a := t.last_attempt)]
