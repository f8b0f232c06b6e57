"""The state of a study as a fold over its journal: reading on costs the new lines only."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from htr_tui.files import TailReader, to_number
from htr_tui.journal.events import HANDLERS, Record
from htr_tui.journal.index import Ranking, TrialIndex
from htr_tui.journal.records import (
    ALLOWED_CHANGES,
    TRIAL_STATES,
    AttemptRecord,
    Note,
    Pause,
    Report,
    StudyFacts,
    TrialRecord,
    TrialState,
)

SCHEMA = 1


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
        handler = HANDLERS.get(event) if isinstance(event, str) else None
        if handler is None:
            self.skipped += 1
            return
        t = to_number(record.get("t"))
        if t is not None and math.isfinite(t):
            self.previous_t, self.last_t = self.last_t, t
        if (up := record.get("up")) is not None and event != "supervisor_started":
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
