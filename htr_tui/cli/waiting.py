"""Waiting for a supervisor's answer to a command, as its journal tells it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from htr_tui.files import iterate_records
from htr_tui.journal.fold import JournalReader, StudyFold
from htr_tui.journal.paths import StudyPaths

POLL_S = 0.1


def wait_for_answer(
    paths: StudyPaths, command: Path, is_done: Callable[[StudyFold], bool], deadline_s: float
) -> StudyFold | None:
    """The study's state once the command was obeyed or refused; None if nobody took it in time."""
    reader = JournalReader(paths.journal)
    deadline = time.monotonic() + deadline_s
    while True:
        taken = not command.exists()  # looked at before the journal, which tells the effect first
        reader.refresh()
        if taken or is_done(reader.fold):
            return reader.fold
        if time.monotonic() > deadline:
            return None
        time.sleep(POLL_S)


def trial_of_command(paths: StudyPaths, command: Path) -> int | None:
    """The trial that a command made."""
    for record in iterate_records(paths.journal):
        if record.get("event") == "trial_created" and record.get("command") == command.name:
            return int(record["trial"])
    return None


def refusal(fold: StudyFold, since: float) -> str:
    """Why the last command was refused, from the notes after `since` (Unix seconds)."""
    words = [note.message for note in fold.notes if note.t >= since and "refused" in note.message]
    return words[-1] if words else "see the notes in `htr-tui status --json`"
