"""What is to be told to MLflow about a trial: pure, from the journal's state, new events and what is remembered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from htr_tui.journal.fold import StudyFold
from htr_tui.journal.records import TrialRecord, TrialState
from htr_tui.metrics.events import EventBatch, MetricsEvent
from htr_tui.tracking.follow import Report
from htr_tui.tracking.names import (
    MAX_NAME,
    MAX_PARAM,
    MAX_TAG,
    OBJECTIVE,
    OBJECTIVE_VALUE,
    clean_text,
    texts,
    unique_names,
)
from htr_tui.tracking.state import TrialMemory

SOURCE = "mlflow"
"""Marks the metrics that were read from the run."""

MAX_T = 1e11
"""Unix seconds; a clock beyond this is broken, and databases refuse it."""

RUNNING, SCHEDULED, FINISHED, FAILED, KILLED = "RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"
ENDED = frozenset({FINISHED, FAILED, KILLED})

_STATUS: dict[TrialState, str] = {
    "queued": SCHEDULED,
    "running": RUNNING,
    "complete": FINISHED,
    "pruned": KILLED,
    "stopped": KILLED,
    "failed": FAILED,
}
_PARENT_STATUS = {"finished": FINISHED, "stopped": KILLED, "failed": FAILED}


@dataclass(frozen=True, slots=True)
class Point:
    """A metric's value. Name, time and step come from files alone, so that telling it twice makes no second one."""

    name: str
    value: float
    t_ms: int
    step: int


@dataclass(frozen=True, slots=True)
class TrialPlan:
    """What to tell about a trial, and what to remember once that is done."""

    memory: TrialMemory
    params: dict[str, str]
    tags: dict[str, str]
    """Only those that changed."""
    points: tuple[Point, ...] = ()
    name: str | None = None
    """Only if it changed."""
    status: str | None = None
    """Only if it changed."""
    end_ms: int | None = None
    is_settled: bool = False
    """Nothing more is to come before the journal says something new."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to tell (there may be something to remember)."""
        return not (self.params or self.tags or self.points or self.name or self.status)


@dataclass(frozen=True, slots=True)
class AttemptNews:
    """Events of an attempt that were read on."""

    batch: EventBatch
    offset: int
    """Where the next read begins."""


def run_name(trial: TrialRecord | None, number: int) -> str:
    """A run's name: the experiment's label, or the trial's number."""
    return clean_text(trial.label, MAX_NAME) if trial is not None and trial.label else f"trial-{number:04d}"


def milliseconds(t: float | None, fallback: float | None) -> int:
    """A time of a file as MLflow takes it; the fallback where it is missing or absurd."""
    for candidate in (t, fallback):
        if candidate is not None and 0 < candidate < MAX_T:
            return int(candidate * 1000)
    return 0


def trial_status(trial: TrialRecord, *, interrupted: bool) -> str:
    """The run's status; a trial whose supervisor and runner are both gone is not running."""
    return KILLED if interrupted and trial.state == "running" else _STATUS[trial.state]


def parent_status(fold: StudyFold, *, interrupted: bool) -> str:
    """The study's run: RUNNING while somebody supervises it."""
    if fold.ended_reason is None:
        return KILLED if interrupted else RUNNING
    return _PARENT_STATUS.get(fold.ended_reason, FAILED)


def trial_tags(trial: TrialRecord) -> dict[str, str]:
    """What one may want to filter runs by."""
    last = trial.last_attempt
    category = trial.category or (last.category if last else None)
    tags = {
        "htr_tui.state": trial.state,
        "htr_tui.category": category or "",
        "htr_tui.attempts": str(len(trial.attempts)),
    }
    if last is not None:
        tags |= texts(last.set, MAX_TAG, "override.")
        tags |= texts(last.env, MAX_TAG, "env.")
        if last.fix:
            tags["htr_tui.fix"] = clean_text(last.fix, MAX_TAG)
    return tags


def plan_trial(
    trial: TrialRecord,
    memory: TrialMemory,
    reports: Sequence[Report],
    news: Mapping[int, AttemptNews],
    *,
    interrupted: bool = False,
) -> TrialPlan:
    """Everything new about a trial that has a run."""
    has_more = any(item.batch.more for item in news.values())
    points = [*_event_points(trial, news), *_report_points(trial, reports)]
    has_value = trial.state == "complete" and bool(trial.values)
    if has_value and not memory.has_value:
        points += value_points(trial)
    tags = {name: value for name, value in trial_tags(trial).items() if memory.tags.get(name) != value}
    name = run_name(trial, trial.number)
    # The last word about a run comes after everything that was to be told about it.
    wanted = trial_status(trial, interrupted=interrupted)
    status = wanted if memory.status != wanted and not (has_more and wanted in ENDED) else None
    params = {} if memory.has_params else texts(trial.params, MAX_PARAM)
    is_settled = not has_more and (wanted in ENDED or trial.state == "queued")
    remembered = replace(
        memory,
        status=status or memory.status,
        name=name,
        has_params=True,
        tags={**memory.tags, **tags},
        offsets={**memory.offsets, **{attempt: item.offset for attempt, item in news.items()}},
        reports=memory.reports + len(reports),
        has_value=has_value,
        done=is_settled and trial.state not in ("queued", "running"),
    )
    return TrialPlan(
        memory=remembered,
        params=params,
        tags=tags,
        points=tuple(points),
        name=name if memory.name != name else None,
        status=status,
        end_ms=milliseconds(trial.ended, _last_t(trial)) if status in ENDED else None,
        is_settled=is_settled,
    )


def _last_t(trial: TrialRecord) -> float | None:
    last = trial.last_attempt
    return (last.ended or last.started) if last else trial.created


def _event_points(trial: TrialRecord, news: Mapping[int, AttemptNews]) -> Iterable[Point]:
    for attempt in trial.attempts:
        item = news.get(attempt.number)
        for event in item.batch.events if item else ():
            if isinstance(event, MetricsEvent) and event.source != SOURCE:  # what came from the run is in it
                yield from metric_points(event.values, event.epoch, milliseconds(event.t, attempt.started))


def metric_points(values: Mapping[str, float], step: int, t_ms: int) -> list[Point]:
    """Metrics of one moment under valid names."""
    names = unique_names(values)
    return [Point(names[name], value, t_ms, step) for name, value in values.items()]


def _report_points(trial: TrialRecord, reports: Sequence[Report]) -> list[Point]:
    return [Point(OBJECTIVE, r.value, milliseconds(r.t, trial.created), r.epoch) for r in reports]


def value_points(trial: TrialRecord) -> list[Point]:
    """The trial's final value, or one per objective."""
    t_ms, step = milliseconds(trial.ended, _last_t(trial)), trial.epoch or 0
    if len(trial.values) == 1:
        return [Point(OBJECTIVE_VALUE, trial.values[0], t_ms, step)]
    return [Point(f"{OBJECTIVE_VALUE}_{i}", value, t_ms, step) for i, value in enumerate(trial.values, 1)]


def best_points(trial: TrialRecord) -> list[Point]:
    """Metrics of the epoch that counted for the best trial, and its value."""
    last = trial.last_attempt
    step = (last.epoch if last else None) or trial.epoch or 0
    t_ms = milliseconds(trial.ended, _last_t(trial))
    return [*metric_points(last.values if last else {}, step, t_ms), *value_points(trial)]


def numbers_ahead(fold: StudyFold, ahead: int) -> list[int]:
    """Trials that may start next and need a run by then: waiting ones first, then those not yet created."""
    waiting = [trial.number for trial in fold.in_state("queued") if not trial.attempts]
    missing = max(0, ahead - len(waiting))
    first = fold.next_number
    last = first + missing if fold.facts.trials is None else min(first + missing, max(first, fold.facts.trials))
    return [*waiting[:ahead], *range(first, last)]
