"""The journal's one writer, and the state that the journal folds to."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from htr_tui.files import LineAppender, dump_line
from htr_tui.journal.fold import JournalReader, StudyFold
from htr_tui.journal.paths import StudyPaths
from htr_tui.journal.records import AttemptRecord, TrialRecord
from htr_tui.supervisor.clock import Clock

Recorded = Callable[[dict[str, Any]], None]
TELL_UP_S = 600.0
"""A report of an epoch tells how long the supervisor has been active when nothing else did for so long."""


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
        self._told_up = 0.0

    def open(self) -> None:
        """Read what happened so far, and be ready to write."""
        self._journal = LineAppender(self.paths.journal)
        reader = JournalReader(self.paths.journal)
        reader.refresh()
        if b"\n" in _from(self.paths.journal, reader.offset):
            raise OSError(errno.EIO, "the journal cannot be read to its end", str(self.paths.journal))
        self.fold = reader.fold

    def is_lost(self) -> bool:
        """Whether somebody removed or replaced the journal: what we write is seen by nobody any more."""
        return self._journal is not None and not self._journal.is_current()

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
        # A long journal mostly consists of reports: they tell it only where nothing else does for long.
        if event != "attempt_reported" or self.active_s - self._told_up > TELL_UP_S:
            records[0]["up"] = round(self.active_s, 1)
        self._journal.append(*records, durable=event != "attempt_reported")  # after a power cut: read again
        self._told_up = records[0].get("up", self._told_up)
        self.fold.apply_all(records)
        for record in records:
            self._pass_on(record)

    def _pass_on(self, record: dict[str, Any]) -> None:
        """To who listens (a foreground run's terminal); one that is gone is left, the study goes on."""
        try:
            if self._on_record is not None:
                self._on_record(record)
        except OSError:
            self._on_record = None

    def note(self, level: str, message: str, trial: int | None = None) -> None:
        """Tell the user something, in the journal and the supervisor's log (which a foreground run has not)."""
        if self._on_record is None:
            say({"t": self.clock.time(), "note": message})
        self.record("note", level=level, message=message, trial=trial)

    def running(self) -> list[tuple[TrialRecord, AttemptRecord]]:
        """Running trials with their attempts."""
        return [(t, a) for t in self.fold.in_state("running") if (a := t.last_attempt)]


def say(record: dict[str, Any]) -> None:
    """Into the supervisor's log, which may lie on a full disk: then nothing is said."""
    try:
        sys.stderr.buffer.write(dump_line(record))
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        pass


def _from(path: Path, offset: int) -> bytes:
    with open(path, "rb") as file:
        file.seek(offset)
        return file.read()
