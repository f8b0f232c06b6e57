"""What a journal that lost its end forgot, and folders still tell: no trial that ran is lost, no number used twice.

A journal can lose lines by a power cut on a disk that lies about its fsync, by a restored backup, or by a hand. Folders
then know more: `created.json` the study, and every attempt that a runner claimed its own start (in `command.json`).
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from htr_tui.errors import BusyError
from htr_tui.files import read_json
from htr_tui.journal.fold import StudyFold
from htr_tui.journal.paths import AttemptPaths, StudyPaths
from htr_tui.processes.identity import ProcessIdentity
from htr_tui.processes.presence import SILENT_S

TRIAL, START = "trial", "start"
"""Keys of command.json: what the journal said of the trial's creation and of the attempt's start."""
_OF_TRIAL = ("params", "label", "by")
_OF_START = ("reason", "fix", "set", "env", "resume_from", "devices", "slot")


def forgotten_records(paths: StudyPaths, fold: StudyFold) -> Iterator[dict[str, Any]]:
    """Events that bring the journal back to what the folders tell; nothing in all but a damaged study."""
    if not fold.facts.study and (created := read_json(paths.created)) is not None:
        yield created
    claimed = _claimed_attempts(paths)
    for number in range(max(claimed, default=-1) + 1):
        trial = fold.trials.get(number)
        if trial is None:
            yield from _lost_trial(paths, number, claimed.get(number, []))
        elif number in claimed and trial.state in ("failed", "stopped", "pruned"):
            known = trial.attempts[-1].number if trial.attempts else 0
            if max(claimed[number]) > known:
                yield {"event": "trial_queued", "trial": number, "reason": "retry"}


def refuse_attempts_elsewhere(paths: StudyPaths, fold: StudyFold) -> None:
    """BusyError where a running attempt lives on another machine, which shares the folder: only there can it be followed.

    Its runner writes a line every few seconds; without any for a while it is as dead as one of this machine.
    """
    host = socket.gethostname()
    for trial in fold.in_state("running"):
        files = paths.attempt(trial.number, trial.attempts[-1].number)
        runner = ProcessIdentity.from_json(read_json(files.runner))
        if runner is None or runner.host == host or files.exit.exists():
            continue
        if (age := _age(files.system)) is not None and age < SILENT_S:
            raise BusyError(
                f"trial {trial.number} is running on {runner.host}, where its supervisor was",
                f"its runner gave a sign {age:.0f} s ago",
                f"go on with the study on {runner.host}, or wait until that trial has ended",
            )


def _age(path: Path) -> float | None:
    try:
        return abs(time.time() - path.stat().st_mtime)
    except OSError:
        return None


def claimed_start(attempt: AttemptPaths) -> dict[str, Any] | None:
    """The fields of `attempt_started` of an attempt that a runner claimed; None if none did."""
    if ProcessIdentity.from_json(read_json(attempt.runner)) is None:
        return None
    start = (read_json(attempt.command) or {}).get(START)
    return _taken(start, _OF_START)


def _taken(record: object, names: tuple[str, ...]) -> dict[str, Any]:
    """What a file says under these names; the trainer could write there, too."""
    return {name: record[name] for name in names if name in record} if isinstance(record, dict) else {}


def _lost_trial(paths: StudyPaths, number: int, attempts: list[int]) -> Iterator[dict[str, Any]]:
    facts: dict[str, Any] = {}
    for attempt in attempts:
        found = (read_json(paths.attempt(number, attempt).command) or {}).get(TRIAL)
        facts = _taken(found, _OF_TRIAL) or facts
    yield {"event": "trial_created", "trial": number, **facts}
    if not facts:  # its number is taken, and nothing tells what it was
        yield {"event": "trial_ended", "trial": number, "state": "failed", "category": "lost"}


def _claimed_attempts(paths: StudyPaths) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for file in paths.trials.glob("*/attempt-*/runner.json"):
        trial, attempt = file.parent.parent.name, file.parent.name.partition("-")[2]
        if trial.isdecimal() and attempt.isdecimal() and ProcessIdentity.from_json(read_json(file)) is not None:
            found.setdefault(int(trial), []).append(int(attempt))
    return {trial: sorted(attempts) for trial, attempts in sorted(found.items())}
