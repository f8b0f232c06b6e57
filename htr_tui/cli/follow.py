"""A study's journal as one line an event, for terminals without a panel."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

from htr_tui.cli.output import plain
from htr_tui.cli.places import load_fold
from htr_tui.files import TailReader, to_plain
from htr_tui.journal.fold import StudyFold
from htr_tui.journal.paths import StudyPaths
from htr_tui.processes.presence import read_presence
from htr_tui.text import clean_text

POLL_S = 0.25
TRACKING_DEADLINE_S = 60.0
TRACKING_STEP_S = 0.2


def plain_text(value: Any) -> str:
    """A sentence of ours, whole: what to do stands at its end."""
    return clean_text(str(value), 1000)


def paused_itself(record: dict[str, Any]) -> bool:
    """Whether the study stopped starting trials because they all fail alike."""
    return record.get("event") == "study_paused" and record.get("by") == "failures"


def describe(record: dict[str, Any], fold: StudyFold) -> str | None:
    """One journal event for people; None for what is of no interest. `fold` is the state after it."""
    trial, attempt = record.get("trial"), record.get("attempt")
    match record.get("event"):
        case "study_created":
            return f"study {plain(record.get('study'))}: {record.get('budget', {}).get('trials') or 'open'} trials"
        case "supervisor_started":
            return f"supervisor pid {record.get('pid')} on {plain(record.get('host'))}"
        case "supervisor_ended":
            return f"study {plain(record.get('reason'))}"
        case "stop_requested":
            return "stop requested"
        case "study_paused":
            return f"PAUSED: {plain_text(record.get('message'))}"
        case "study_continued":
            return "the study goes on"
        case "study_waiting":
            return f"waiting: {plain_text(record['reason'])}" if record.get("reason") else None
        case "trial_created":
            params = ", ".join(f"{plain(k)}={plain(v)}" for k, v in (record.get("params") or {}).items())
            by = {"hand": " (typed by hand)", "warm_start": " (from the warm start)"}.get(str(record.get("by")), "")
            return f"trial {trial}{by}: {params}"
        case "attempt_started":
            how = "" if record.get("reason") == "first" else f" ({plain(record.get('reason'))}"
            how += f", fix {plain(record['fix'])}" if record.get("fix") else ""
            how += f", from the checkpoint of attempt {record['resume_from']}" if record.get("resume_from") else ""
            return f"trial {trial}: attempt {attempt} started{how + ')' if how else ''}"
        case "attempt_reported":
            return f"trial {trial}: epoch {record.get('epoch')}/{record.get('epochs') or '?'} objective {plain(record.get('value'))}"
        case "attempt_stopping":
            title = f": {plain_text(record['title'])}" if record.get("title") else ""
            return f"trial {trial}: asked to end ({plain(record.get('why'))}){title}"
        case "attempt_ended":
            told = f": {plain(record['category'])}: {plain(record.get('title'))}" if record.get("category") else ""
            return f"trial {trial}: attempt {attempt} {plain(record.get('state'))}{told}"
        case "trial_queued":
            fix = f" with fix {plain(record['fix'])}" if record.get("fix") else ""
            return f"trial {trial}: queued again ({plain(record.get('reason'))}){fix}"
        case "trial_ended":
            known = fold.trials.get(trial) if isinstance(trial, int) else None
            value = f", value {plain(known.value, 6)}" if known is not None and known.value is not None else ""
            return f"trial {trial}: {plain(record.get('state'))}{value}"
        case "note":
            return f"{plain(record.get('level'))}: {plain(record.get('message'))}"
    return None


class EventPrinter:
    """Prints journal records, as text or as the JSON lines they are."""

    def __init__(self, *, as_json: bool, fold: StudyFold | None = None) -> None:
        self._as_json = as_json
        self._fold = fold if fold is not None else StudyFold()

    def take(self, record: dict[str, Any]) -> None:
        """Print one record."""
        self._fold.apply(record)
        if self._as_json:
            print(json.dumps(to_plain(record), ensure_ascii=False, allow_nan=False), flush=True)
        elif (text := describe(record, self._fold)) is not None:
            print(f"{time.strftime('%H:%M:%S', time.localtime(record.get('t')))} {text}", flush=True)


def follow(paths: StudyPaths, *, from_start: bool = True) -> Iterator[dict[str, Any]]:
    """Journal records as they come, until the supervisor ended or is dead."""
    reader = TailReader(paths.journal)
    if not from_start:
        reader.offset = paths.journal.stat().st_size
    while True:
        presence = read_presence(paths.supervisor)
        records, _ = reader.read_records()
        yield from records
        if not records:
            if presence is None or not presence.alive:
                return
            time.sleep(POLL_S)


def wait_for_tracking(paths: StudyPaths) -> bool:
    """Wait a little until the MLflow mirror has told everything; True if it has."""
    from htr_tui.tracking.state import tracking_status

    if load_fold(paths).facts.tracking_uri is None:
        return True
    deadline = time.monotonic() + TRACKING_DEADLINE_S
    while time.monotonic() < deadline:
        status = tracking_status(paths)
        if status.drained:
            return True
        if status.error is not None:
            return False
        time.sleep(TRACKING_STEP_S)
    return False
