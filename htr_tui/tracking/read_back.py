"""Metrics that a trainer logs to its MLflow run, brought back into the attempt's `events.jsonl`.

The supervisor never waits for MLflow: it reads `events.jsonl`, and after an attempt's end looks there for the word
`collected`, which stands behind the last value.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from htr_tui.files import dump_line, read_json
from htr_tui.journal.paths import AttemptPaths, StudyPaths
from htr_tui.journal.records import AttemptRecord, TrialRecord
from htr_tui.metrics.collector import Collector, Observation, Reading, append_lines
from htr_tui.metrics.epochs import EpochRule, NameFilter, StepEpochs, StepValue
from htr_tui.metrics.events import CollectedEvent, all_events
from htr_tui.processes.identity import ProcessIdentity
from htr_tui.tracking.client import TrackingStore
from htr_tui.tracking.names import OBJECTIVE, OBJECTIVE_VALUE
from htr_tui.tracking.plan import SOURCE, Point

READ_EVERY_S = 2.0
"""How often the run of an attempt is looked at while it runs."""
READ_S = 5.0
"""How long one look may take before other trials have their turn."""
SYSTEM = "system/"
"""Load of the machine that MLflow logs by itself, with steps of its own."""
DATABASE_INFINITY = 1.7976931348623157e308
"""What MLflow's databases make of infinity."""


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """The `metrics` of the study file as the mirror needs them."""

    rule: EpochRule
    only: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, text: str) -> ReadOptions:
        """The options from the mirror's command line."""
        record = json.loads(text)
        return cls(EpochRule(record["epoch"], record["first_epoch"]), tuple(record["only"]))


class MlflowSource:
    """One run as a source of metrics; the store's failures (`StoreFailure`) pass through it."""

    def __init__(self, store: TrackingStore, run_id: str, options: ReadOptions, *, since_ms: int = 0) -> None:
        self._store = store
        self._run_id = run_id
        self._rule = options.rule
        self._filter = NameFilter(options.only)
        self._since_ms = since_ms
        self._seen: dict[str, Point] = {}
        """The newest point of each metric whose history was taken."""
        self._marks: dict[int, int] = {}
        self.skipped = 0
        self.trouble = ""

    def read(self, deadline: float, *, final: bool) -> Reading:
        """The histories of the metrics that changed. What is told again is not new to the collector."""
        latest = {name: point for name, point in self._store.latest(self._run_id).items() if self._is_wanted(name)}
        changed = [name for name, point in latest.items() if self._seen.get(name) != point]
        # The metric that tells epochs comes first, so that the others find theirs.
        changed.sort(key=lambda name: (name != self._rule.name, name))
        epochs = StepEpochs(self._rule, self._marks)
        found: list[Observation] = []
        values: list[StepValue] = []
        fetched: list[str] = []
        for name in changed:
            if fetched and time.monotonic() > deadline:
                break
            values += self._history(name)
            fetched.append(name)
        found += epochs.take(values, final=final and len(fetched) == len(changed))
        waiting = epochs.waiting_names
        self._seen.update((name, latest[name]) for name in fetched if name not in waiting)
        self.trouble = "" if self._seen else "nothing was logged to the MLflow run"
        return Reading(found, len(fetched) == len(changed))

    def _is_wanted(self, name: str) -> bool:
        """Not what the mirror itself tells the run, and not the machine's load."""
        is_ours = name == OBJECTIVE or name.startswith((OBJECTIVE_VALUE, SYSTEM))
        return not is_ours and (name == self._rule.name or self._filter.takes(name))

    def _history(self, name: str) -> list[StepValue]:
        points = [p for p in self._store.history(self._run_id, name) if p.t_ms >= self._since_ms and p.step >= 0]
        points.sort(key=lambda p: p.t_ms)
        return [StepValue(p.name, p.step, _restored(p.value), p.t_ms / 1000.0) for p in points]


def _restored(value: float) -> float:
    """A value as it was logged."""
    return math.copysign(math.inf, value) if abs(value) == DATABASE_INFINITY else value


class ReadBack:
    """Collects the runs of all running attempts."""

    def __init__(self, paths: StudyPaths, options: ReadOptions, clock: Callable[[], float] = time.monotonic) -> None:
        self._paths = paths
        self._options = options
        self._clock = clock
        self._collectors: dict[tuple[int, int], Collector] = {}
        self._next: dict[tuple[int, int], float] = {}
        self._done: set[tuple[int, int]] = set()

    def forget(self) -> None:
        """The store was left: what comes next is read from the start, and what is known is not written again."""
        self._collectors.clear()

    def read(self, store: TrackingStore, trial: TrialRecord, run_id: str) -> None:
        """Bring on what the running attempt of a trial has logged. StoreFailure, OSError: to be tried again."""
        attempt = trial.last_attempt
        if attempt is None or attempt.state != "running":
            return
        key = (trial.number, attempt.number)
        files = self._paths.attempt(*key)
        is_over = has_ended(files)  # looked up before the run: what was logged until then is found
        if key in self._done or (not is_over and self._clock() < self._next.get(key, 0.0)):
            return
        collector = self._collectors.get(key) or self._begin(store, trial, attempt, run_id)
        self._collectors[key] = collector
        is_complete = collector.collect(final=is_over, budget_s=READ_S)
        self._next[key] = self._clock() + (READ_EVERY_S if is_complete else 0.0)
        if is_over and is_complete:
            say_collected(files.events, SOURCE)
            self._done.add(key)
            self._collectors.pop(key, None)

    def _begin(self, store: TrackingStore, trial: TrialRecord, attempt: AttemptRecord, run_id: str) -> Collector:
        """A later attempt goes on in the run of the first: what was logged before its start is not its own."""
        is_first = attempt is trial.attempts[0]
        since_ms = 0 if is_first or attempt.started is None else int(attempt.started * 1000)
        source = MlflowSource(store, run_id, self._options, since_ms=since_ms)
        return Collector(SOURCE, source, self._paths.attempt(trial.number, attempt.number).events)


def has_ended(files: AttemptPaths) -> bool:
    """Whether nothing of the trainer is left: its runner said so, or is gone."""
    if files.exit.exists():
        return True
    identity = ProcessIdentity.from_json(read_json(files.runner))
    return identity is not None and not identity.is_alive()


def say_collected(events: Path, source: str) -> None:
    """The last word of a source, once."""
    if not any(isinstance(event, CollectedEvent) and event.source == source for event in all_events(events)):
        line: dict[str, Any] = {"t": time.time(), "kind": "collected", "source": source}
        append_lines(events, dump_line(line), may_end_torn=True)
