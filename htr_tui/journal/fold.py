"""The state of a study as a fold over its journal: reading on costs the new lines only."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from htr_tui.files import TailReader, to_number
from htr_tui.journal.epochs import compact
from htr_tui.journal.index import Ranking, TrialIndex
from htr_tui.journal.records import (
    ALLOWED_CHANGES,
    TRIAL_STATES,
    AttemptRecord,
    AttemptRequest,
    ForeignSource,
    Origin,
    Pause,
    StudyFacts,
    TrialRecord,
    TrialState,
)

Record = dict[str, Any]
V = TypeVar("V")
SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Note:
    """Something the user should know about the study."""

    t: float
    level: str
    message: str
    trial: int | None = None


class Report(NamedTuple):
    """One `attempt_reported`."""

    trial: int
    attempt: int
    epoch: int
    epochs: int | None
    value: float | None


@dataclass(slots=True)
class StudyFold:
    """Folds journal records into the state of a study.

    `version` grows with every record that changed something; `changed_since` tells which trials are newer.
    Unknown events, garbage, and changes of state that are not allowed are counted in `skipped`, never fatal.
    """

    facts: StudyFacts = field(default_factory=StudyFacts)
    notes: list[Note] = field(default_factory=list)
    supervisor: Record | None = None
    """The last `supervisor_started`; None after a `supervisor_ended`."""
    ended_reason: str | None = None
    """Why the last supervisor ended: "finished", "stopped", "failed"; None while one should be running."""
    stop_requested: str | None = None
    """"stop" or "now" while a stop is wanted."""
    paused: Pause | None = None
    """Set while nothing new is started, until the user continues."""
    paused_trial: int = 0
    """The first trial created after the last `study_continued`: failures before it are forgiven."""
    waiting: str | None = None
    """What the next start waits for (memory, a device, a time of day), in words; None if for nothing."""
    counts: dict[TrialState, int] = field(default_factory=lambda: dict.fromkeys(TRIAL_STATES, 0))
    skipped: int = 0
    version: int = 0
    last_t: float = 0.0
    previous_t: float = 0.0
    supervised_s: float = 0.0
    """Seconds in which earlier supervisors could start trials (neither paused nor outside the study's hours)."""
    commands_done: set[str] = field(default_factory=set)
    """Names of the command files whose trials were created: a command is never obeyed twice."""
    _session_t: float | None = None
    _session_up: float | None = None
    """The running supervisor's own count of such seconds, as last told; no clock that is set moves it."""
    _index: TrialIndex = field(default_factory=TrialIndex)
    _ranking: Ranking = field(default_factory=Ranking, compare=False)
    _trials: dict[int, TrialRecord] = field(default_factory=dict)
    _reports: list[Report] = field(default_factory=list)
    """Reports not yet in their trials: a long journal is mostly reports, and a record is made anew for each change."""

    def apply(self, record: Record) -> None:
        """Take one journal record in."""
        event = record.get("event")
        handler = _HANDLERS.get(event) if isinstance(event, str) else None
        if handler is None:
            self.skipped += 1
            return
        t = to_number(record.get("t"))
        if t is not None and math.isfinite(t):
            self.previous_t, self.last_t = self.last_t, t
        if (up := record.get("up")) is not None and handler is not _supervisor_started:
            self._session_up = to_number(up)
        try:
            handler(self, record)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
            self.skipped += 1
            return
        self.version += 1
        if isinstance(trial := record.get("trial"), int):
            self._index.touch(trial, self.version)

    def apply_all(self, records: Iterable[Record]) -> None:
        """Take several records in."""
        for record in records:
            self.apply(record)

    @property
    def trials(self) -> dict[int, TrialRecord]:
        """Every trial by number."""
        if self._reports:
            self._settle()
        return self._trials

    def _settle(self) -> None:
        """Put the waiting reports into their trials, all of one trial at once."""
        reports, self._reports = self._reports, []
        by_attempt: dict[tuple[int, int], list[Report]] = {}
        for report in reports:
            by_attempt.setdefault((report.trial, report.attempt), []).append(report)
        for (number, attempt), found in by_attempt.items():
            trial = self._trials.get(number)
            if trial is None or all(a.number != attempt for a in trial.attempts):
                self.skipped += len(found)
                continue
            last = found[-1]
            values = {r.epoch: r.value for r in found if r.value is not None}
            attempts = tuple(
                replace(a, epoch=last.epoch, epochs=last.epochs) if a.number == attempt else a for a in trial.attempts
            )
            self._trials[number] = replace(
                trial,
                attempts=attempts,
                epoch=last.epoch,
                epochs=last.epochs or trial.epochs,
                reported={**trial.reported, **values} if values else trial.reported,
            )

    def changed_since(self, version: int) -> list[TrialRecord]:
        """Trials touched after `version`, by number."""
        trials = self.trials
        return [trials[n] for n in sorted(self._index.touched_since(version)) if n in trials]

    def in_state(self, state: TrialState) -> list[TrialRecord]:
        """Trials in a state, by number; costs those trials only."""
        trials = self.trials
        return [trials[n] for n in sorted(self._index.by_state[state])]

    @property
    def next_number(self) -> int:
        """The number of the next trial: one more than the largest."""
        return self._index.next_number

    def best(self) -> TrialRecord | None:
        """The complete trial with the best finite value that keeps the constraints (single objective only)."""
        front = self.pareto() if len(self.facts.directions) == 1 else []
        return front[0] if front else None

    def pareto(self) -> list[TrialRecord]:
        """Complete trials that keep the constraints and that no other is better than in every way, by number."""
        trials = self.trials
        return [trials[n] for n in self._ranking.front(trials)]

    # -- changes ---------------------------------------------------------------------------------------------------

    def put(self, trial: TrialRecord) -> None:
        """Replace a trial's record, keeping the counts; refuses a change of state that is not allowed."""
        old = self.trials.get(trial.number)
        state = None if old is None else old.state
        if state is not None and state != trial.state:
            if trial.state not in ALLOWED_CHANGES[state]:
                raise ValueError(f"trial {trial.number}: {state} -> {trial.state}")
            self.counts[state] -= 1
        if state != trial.state:
            self.counts[trial.state] += 1
        self._index.put(state, trial)
        self._trials[trial.number] = trial
        if trial.state == "complete":
            if state != "complete":
                self._ranking.add(trial.number)
            else:  # told twice, perhaps with other values
                self._ranking.begin_anew(self.facts.directions, self._index.by_state["complete"])

    def change_attempt(self, record: Record, **changes: Any) -> tuple[TrialRecord, tuple[AttemptRecord, ...]]:
        """The trial of `record`, and its attempts with the one that `record` names changed."""
        trial = self.trials[record["trial"]]
        number = record["attempt"]
        if all(a.number != number for a in trial.attempts):
            raise KeyError(number)
        return trial, tuple(replace(a, **changes) if a.number == number else a for a in trial.attempts)


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


_HANDLERS: dict[str, Callable[[StudyFold, Record], None]] = {
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


class JournalReader:
    """A fold that follows its file. `refresh` reads on; a truncated or replaced journal is folded anew."""

    def __init__(self, path: Path) -> None:
        self.fold = StudyFold()
        self._tail = TailReader(path)
        self._base = 0
        """Keeps `version` growing over a fold that was started again."""

    @property
    def version(self) -> int:
        """Grows whenever the state may have changed."""
        return self._base + self.fold.version

    @property
    def offset(self) -> int:
        """Bytes of the file that the fold has taken in."""
        return self._tail.offset

    def refresh(self, limit: int | None = None) -> bool:
        """Read what is new (at most about `limit` bytes); True if anything changed."""
        before = self.version
        remaining = limit if limit is not None else 1 << 62
        while remaining > 0:
            restarts, offset = self._tail.restarts, self._tail.offset
            records, skipped = self._tail.read_records()
            if self._tail.restarts != restarts:
                self._base += self.fold.version + 1
                self.fold = StudyFold()
                offset = 0
            self.fold.skipped += skipped
            self.fold.apply_all(records)
            if self._tail.offset == offset:
                break
            remaining -= self._tail.offset - offset
        return self.version != before
