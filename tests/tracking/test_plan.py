from __future__ import annotations

from typing import Any

import pytest

from htr_tui.journal.fold import StudyFold
from htr_tui.journal.records import AttemptRecord, TrialRecord, TrialState
from htr_tui.metrics.events import EventBatch, MetricsEvent
from htr_tui.tracking.follow import Report
from htr_tui.tracking.plan import (
    AttemptNews,
    Point,
    milliseconds,
    numbers_ahead,
    parent_status,
    plan_trial,
    run_name,
    value_points,
)
from htr_tui.tracking.state import TrialMemory

ATTEMPT = AttemptRecord(1, "running", started=100.0)
KNOWN = TrialMemory(run_id="r", parent_run_id="p")


def trial(state: TrialState = "running", **fields: Any) -> TrialRecord:
    return TrialRecord(7, state, {"a": 1}, attempts=(ATTEMPT,), **fields)


def news(*epochs: int, more: bool = False) -> dict[int, AttemptNews]:
    events = [MetricsEvent(100.0 + e, e, None, {"m": float(e)}) for e in epochs]
    return {1: AttemptNews(EventBatch([*events], more=more), 50)}


def test_first_plan_tells_everything_and_the_second_nothing() -> None:
    first = plan_trial(trial(), KNOWN, [Report(101.0, 1, 5.0)], news(1))
    assert first.params == {"a": "1"}
    assert first.points == (Point("m", 1.0, 101_000, 1), Point("objective", 5.0, 101_000, 1))
    assert (first.name, first.status, first.is_settled) == ("trial-0007", "RUNNING", False)
    assert (first.memory.offsets, first.memory.reports) == ({1: 50}, 1)
    second = plan_trial(trial(), first.memory, [], news())
    assert second.is_empty
    assert second.memory == first.memory


@pytest.mark.parametrize(
    ("state", "status"), [("complete", "FINISHED"), ("pruned", "KILLED"), ("stopped", "KILLED"), ("failed", "FAILED")]
)
def test_the_end_is_the_last_word(state: TrialState, status: str) -> None:
    ended = trial(state, ended=200.0)
    early = plan_trial(ended, KNOWN, [], news(1, more=True))
    assert (early.status, early.is_settled, early.memory.done) == (None, False, False)
    late = plan_trial(ended, early.memory, [], news(2))
    assert (late.status, late.end_ms, late.is_settled, late.memory.done) == (status, 200_000, True, True)


def test_the_value_is_told_once_and_only_when_complete() -> None:
    done = trial("complete", value=3.0, values=(3.0,), epoch=4, ended=200.0)
    first = plan_trial(done, KNOWN, [], {})
    assert first.points == (Point("objective_value", 3.0, 200_000, 4),)
    assert plan_trial(done, first.memory, [], {}).is_empty
    assert plan_trial(trial("pruned", values=(3.0,)), KNOWN, [], {}).points == ()
    assert [p.name for p in value_points(trial("complete", values=(1.0, 2.0)))] == [
        "objective_value_1",
        "objective_value_2",
    ]


def test_an_interrupted_trial_is_killed_without_being_done() -> None:
    plan = plan_trial(trial(), KNOWN, [], {}, interrupted=True)
    assert (plan.status, plan.is_settled, plan.memory.done) == ("KILLED", True, False)
    assert plan_trial(trial(), plan.memory, [], {}).status == "RUNNING"


def test_times_that_no_database_takes_fall_back() -> None:
    assert milliseconds(0.0, 5.0) == 5000
    assert milliseconds(1e300, 5.0) == 5000
    assert milliseconds(float("nan"), None) == 0
    assert milliseconds(2.5, None) == 2500


@pytest.mark.parametrize(
    ("ended", "interrupted", "status"),
    [
        (None, False, "RUNNING"),
        (None, True, "KILLED"),
        ("finished", True, "FINISHED"),
        ("stopped", False, "KILLED"),
        ("failed", False, "FAILED"),
        ("something new", False, "FAILED"),
    ],
)
def test_status_of_the_study(ended: str | None, interrupted: bool, status: str) -> None:
    assert parent_status(StudyFold(ended_reason=ended), interrupted=interrupted) == status


def fold(budget: int | None, *states: TrialState) -> StudyFold:
    fold = StudyFold()
    fold.apply({"t": 1.0, "event": "study_created", "study": "s", "budget": {"trials": budget}})
    for number, state in enumerate(states):
        attempts = () if state == "queued" else (ATTEMPT,)
        fold.put(TrialRecord(number, state, {}, attempts=attempts))
    return fold


def test_runs_ahead() -> None:
    assert numbers_ahead(fold(10), 2) == [0, 1]
    assert numbers_ahead(fold(10, "running", "complete"), 2) == [2, 3]
    assert numbers_ahead(fold(10, "running", "queued"), 2) == [1, 2]
    assert numbers_ahead(fold(10, "queued", "queued", "queued"), 2) == [0, 1]
    assert numbers_ahead(fold(3, "running", "complete"), 5) == [2]
    assert numbers_ahead(fold(2, "running", "complete", "failed"), 5) == []
    assert numbers_ahead(fold(None, "running"), 1) == [1]
    assert numbers_ahead(fold(10), 0) == []


def test_names() -> None:
    assert run_name(None, 12345) == "trial-12345"
    assert run_name(trial(label="no adversarial loss"), 7) == "no adversarial loss"
