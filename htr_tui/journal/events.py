"""What each event of the journal changes in a study's state: the other half of `fold.StudyFold`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from htr_tui.files import to_number
from htr_tui.journal.epochs import compact
from htr_tui.journal.records import (
    AttemptRecord,
    AttemptRequest,
    ForeignSource,
    Note,
    Origin,
    Pause,
    Report,
    StudyFacts,
    TrialRecord,
)

if TYPE_CHECKING:
    from htr_tui.journal.fold import StudyFold

Record = dict[str, Any]
V = TypeVar("V")


def _named(values: dict[str, V] | None) -> dict[str, V]:
    """A copy whose keys are shared with every other record: a long study has the same names in each trial."""
    return {sys.intern(name): value for name, value in values.items()} if values else {}


def _shared(text: Any) -> Any:
    """The same string for equal texts; all else as it is."""
    return sys.intern(text) if isinstance(text, str) else text


def _study_created(fold: StudyFold, r: Record) -> None:
    budget = r.get("budget") or {}
    fold.facts = StudyFacts(
        study=str(r["study"]),
        created=float(r["t"]),
        source=str(r.get("source", "")),
        source_sha256=str(r.get("source_sha256", "")),
        trials=budget.get("trials"),
        hours=budget.get("hours"),
        objectives=tuple(r.get("objectives") or ()),
        directions=tuple(r.get("directions") or ("maximize",)),
        parameters=tuple(r.get("parameters") or ()),
        tracking_uri=r.get("tracking_uri"),
        experiment=r.get("experiment"),
        storage=r.get("storage"),
        constraints=tuple(r.get("constraints") or ()),
        space=dict(r.get("space") or {}),
        promoted_from=Origin(str(origin["study"]), int(origin["trial"]))
        if (origin := r.get("promoted_from"))
        else None,
        imported=ForeignSource(*(str(source[k]) for k in ("url", "kind", "study")))
        if (source := r.get("imported"))
        else None,
    )
    fold._ranking.begin_anew(fold.facts.directions, fold._index.by_state["complete"])


def _supervisor_started(fold: StudyFold, r: Record) -> None:
    _end_session(fold, fold.previous_t)
    fold._session_t = float(r["t"])
    fold._session_up = None
    fold.supervisor = r
    fold.waiting = None
    fold.ended_reason = None
    fold.stop_requested = None


def _end_session(fold: StudyFold, t: float) -> None:
    if fold._session_up is not None:
        fold.supervised_s += max(0.0, fold._session_up)
    elif fold._session_t is not None:  # written before supervisors counted themselves
        fold.supervised_s += max(0.0, t - fold._session_t)
    fold._session_t = fold._session_up = None


def _supervisor_ended(fold: StudyFold, r: Record) -> None:
    _end_session(fold, float(r["t"]))
    fold.supervisor = None
    fold.waiting = None
    fold.ended_reason = str(r["reason"])


def _budget_changed(fold: StudyFold, r: Record) -> None:
    fold.facts = replace(fold.facts, trials=int(r["trials"]))


def _stop_requested(fold: StudyFold, r: Record) -> None:
    fold.stop_requested = "now" if r.get("now") else "stop"


def _stop_cleared(fold: StudyFold, r: Record) -> None:
    fold.stop_requested = None


def _study_paused(fold: StudyFold, r: Record) -> None:
    fold.paused = Pause(str(r.get("by", "user")), str(r.get("message", "")), float(r["t"]))


def _study_continued(fold: StudyFold, r: Record) -> None:
    fold.paused = None
    fold.paused_trial = fold.next_number


def _study_waiting(fold: StudyFold, r: Record) -> None:
    reason = r.get("reason")
    fold.waiting = str(reason) if reason else None


def _trial_created(fold: StudyFold, r: Record) -> None:
    number = int(r["trial"])
    if number in fold.trials:
        raise ValueError(f"trial {number} created twice")
    if r.get("command"):
        fold.commands_done.add(str(r["command"]))
    fold.put(
        TrialRecord(
            number=number,
            state="queued",
            params=_named(r.get("params")),
            label=_shared(r.get("label")),
            by=_shared(r.get("by")),
            created=float(r["t"]),
            request=AttemptRequest(set=_named(r.get("set"))),
        )
    )


def _trial_queued(fold: StudyFold, r: Record) -> None:
    trial = fold.trials[r["trial"]]
    request = AttemptRequest(
        reason=_shared(r.get("reason", "retry")),
        fix=_shared(r.get("fix")),
        set=_named(r.get("set")),
        env={str(k): str(v) for k, v in (r.get("env") or {}).items()},
        fresh=bool(r.get("fresh", False)),
    )
    fold.put(
        replace(
            trial, state="queued", request=request, ended=None, category=None, value=None, values=(), constraints=()
        )
    )


def _attempt_started(fold: StudyFold, r: Record) -> None:
    trial = fold.trials[r["trial"]]
    number = int(r["attempt"])
    if trial.attempts and number <= trial.attempts[-1].number:
        raise ValueError(f"attempt {number} started twice")
    attempt = AttemptRecord(
        number=number,
        state="running",
        reason=_shared(r.get("reason", "first")),
        fix=_shared(r.get("fix")),
        set=_named(r.get("set")),
        env={str(k): str(v) for k, v in (r.get("env") or {}).items()},
        resume_from=r.get("resume_from"),
        devices=tuple(_shared(device) for device in r.get("devices") or ()),
        slot=int(r.get("slot", 0)),
        started=float(r["t"]),
    )
    fold.put(replace(trial, state="running", attempts=(*trial.attempts, attempt), request=None))


def _attempt_reported(fold: StudyFold, r: Record) -> None:
    epochs = r.get("epochs")
    fold._reports.append(
        Report(
            int(r["trial"]),
            int(r["attempt"]),
            int(r["epoch"]),
            None if epochs is None else int(epochs),
            to_number(r.get("value")),
        )
    )


def _attempt_stopping(fold: StudyFold, r: Record) -> None:
    title = {"title": str(r["title"])} if r.get("title") else {}
    trial, attempts = fold.change_attempt(r, stopping=_shared(str(r["why"])), **title)
    fold.put(replace(trial, attempts=attempts))


def _attempt_ended(fold: StudyFold, r: Record) -> None:
    values = {sys.intern(k): v for k, raw in (r.get("values") or {}).items() if (v := to_number(raw)) is not None}
    changes: dict[str, Any] = {
        name: _shared(r[name])
        for name in (
            "exit_code",
            "signal",
            "category",
            "title",
            "suggested_fix",
            "peak_rss_bytes",
            "peak_gpu_bytes",
            "seconds",
        )
        if name in r
    }
    if r.get("epoch") is not None:
        changes["epoch"] = int(r["epoch"])
    if r.get("epochs") is not None:
        changes["epochs"] = int(r["epochs"])
    ended = float(r.get("ended") or r["t"])
    trial, attempts = fold.change_attempt(r, state=_shared(r["state"]), ended=ended, values=values, **changes)
    epoch, epochs = changes.get("epoch", trial.epoch), changes.get("epochs", trial.epochs)
    fold.put(replace(trial, attempts=attempts, epoch=epoch, epochs=epochs))


def _trial_ended(fold: StudyFold, r: Record) -> None:
    trial = fold.trials[r["trial"]]
    values = tuple(v for raw in (r.get("values") or ()) if (v := to_number(raw)) is not None)
    fold.put(
        replace(
            trial,
            state=_shared(r["state"]),
            value=values[0] if values else None,
            values=values,
            constraints=tuple(v for raw in (r.get("constraints") or ()) if (v := to_number(raw)) is not None),
            category=_shared(r.get("category")),
            ended=float(r["t"]),
            request=trial.request if r["state"] == "stopped" else None,
            reported=compact(trial.reported),
        )
    )


def _note(fold: StudyFold, r: Record) -> None:
    fold.notes.append(Note(float(r["t"]), str(r.get("level", "info")), str(r["message"]), r.get("trial")))
    del fold.notes[:-200]


HANDLERS: Final[dict[str, Callable[[StudyFold, Record], None]]] = {
    "study_created": _study_created,
    "supervisor_started": _supervisor_started,
    "supervisor_ended": _supervisor_ended,
    "budget_changed": _budget_changed,
    "stop_requested": _stop_requested,
    "stop_cleared": _stop_cleared,
    "study_paused": _study_paused,
    "study_continued": _study_continued,
    "study_waiting": _study_waiting,
    "trial_created": _trial_created,
    "trial_queued": _trial_queued,
    "attempt_started": _attempt_started,
    "attempt_reported": _attempt_reported,
    "attempt_stopping": _attempt_stopping,
    "attempt_ended": _attempt_ended,
    "trial_ended": _trial_ended,
    "note": _note,
}
"""What each event of the journal changes; any other event is unknown."""
