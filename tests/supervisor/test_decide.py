"""The supervisor's pure decisions."""

from __future__ import annotations

import math

import pytest

from htr_tui.journal.fold import StudyFold
from htr_tui.journal.records import AttemptRecord, AttemptRequest, TrialRecord
from htr_tui.supervisor.decide import (
    AttemptEnd,
    SuggestedFix,
    best_epoch,
    end_of_study,
    failing_alike,
    is_more_urgent,
    judge,
    next_queued,
    overrides_in_force,
    wants_new_trial,
)


def attempt(number: int = 1, **changes: object) -> AttemptRecord:
    return AttemptRecord(number=number, state="running", **changes)  # type: ignore[arg-type]


def trial(*attempts: AttemptRecord, number: int = 0) -> TrialRecord:
    return TrialRecord(number=number, state="running", params={"lr": 0.1}, attempts=attempts)


HALVE = SuggestedFix("halve_batch", {"train.batch": 4}, {})


@pytest.mark.parametrize(
    ("end", "stopping", "attempt_state", "trial_state", "category"),
    [
        (AttemptEnd(exit_code=0, end_status="complete", values=(1.0,)), None, "complete", "complete", None),
        (AttemptEnd(exit_code=0, values=(1.0,)), None, "complete", "complete", None),
        (AttemptEnd(exit_code=0, end_status="complete", values=(1.0,)), "prune", "complete", "complete", None),
        (AttemptEnd(exit_code=0, end_status="complete", values=(1.0,)), "stop", "complete", "complete", None),
        (AttemptEnd(exit_code=143, end_status="stopped", values=(1.0,)), "prune", "pruned", "pruned", None),
        (AttemptEnd(exit_code=143, end_status="stopped"), "stop", "stopped", "stopped", None),
        (AttemptEnd(signal=9), "now", "stopped", "stopped", None),
        (AttemptEnd(lost=True), "stop", "stopped", "stopped", None),
        (AttemptEnd(exit_code=143, end_status="stopped"), "abort", "failed", "failed", "aborted"),
        (AttemptEnd(exit_code=0, end_status="complete", values=(1.0,)), "abort", "complete", "complete", None),
        (AttemptEnd(lost=True), None, "lost", "failed", "lost"),
        (AttemptEnd(exit_code=143, end_status="stopped"), None, "lost", "failed", "preempted"),
        (AttemptEnd(signal=15), None, "lost", "failed", "preempted"),
        (AttemptEnd(exit_code=1, category="gpu_oom"), None, "failed", "failed", "gpu_oom"),
        (AttemptEnd(exit_code=1, category="none"), None, "failed", "failed", "crash"),
        (AttemptEnd(exit_code=0, values=(math.nan,)), None, "failed", "failed", "nan_loss"),
        (AttemptEnd(exit_code=0, values=(None,), missing=("val/psnr",)), None, "failed", "failed", "bad_config"),
    ],
)
def test_judge_without_retries(
    end: AttemptEnd, stopping: str | None, attempt_state: str, trial_state: str, category: str | None
) -> None:
    current = attempt(stopping=stopping)
    verdict = judge(trial(current), current, end, {})
    assert (verdict.attempt, verdict.trial, verdict.category) == (attempt_state, trial_state, category)
    assert verdict.retry is None


def test_a_retry_applies_the_first_fix_and_counts_earlier_attempts() -> None:
    end = AttemptEnd(exit_code=1, category="gpu_oom", fixes=(HALVE,))
    first = attempt(1)
    verdict = judge(trial(first), first, end, {"gpu_oom": 1})
    assert verdict.trial is None
    assert verdict.retry == AttemptRequest(reason="retry", fix="halve_batch", set={"train.batch": 4})
    second = attempt(2)
    spent = trial(attempt(1, category="gpu_oom"), second)
    assert judge(spent, second, end, {"gpu_oom": 1}).trial == "failed"
    assert judge(spent, second, end, {"gpu_oom": 2}).trial is None
    other = trial(attempt(1, category="nan_loss"), second)
    assert judge(other, second, end, {"gpu_oom": 1}).trial is None


def test_an_attempt_that_never_started_is_made_again_without_a_retry() -> None:
    current = attempt(2, reason="retry", fix="halve_batch", set={"train.batch": 4})
    verdict = judge(
        trial(attempt(1, category="gpu_oom"), current), current, AttemptEnd(lost=True, never_started=True), {}
    )
    assert verdict.trial is None
    assert verdict.category is None
    assert verdict.retry == AttemptRequest(reason="retry", fix="halve_batch", set={"train.batch": 4}, fresh=True)


@pytest.mark.parametrize("stopping", ["stop", "now", None])
def test_a_stop_that_nobody_wants_any_more_is_continued(stopping: str | None) -> None:
    current = attempt(stopping=stopping)
    end = AttemptEnd(exit_code=143, end_status="stopped", stopped_now=stopping is None)
    assert judge(trial(current), current, end, {}).trial == "stopped"
    verdict = judge(trial(current), current, end, {}, stop_is_wanted=False)
    assert (verdict.attempt, verdict.trial) == ("stopped", None)
    assert verdict.retry == AttemptRequest(reason="continue")


def test_lost_and_preempted_share_an_allowance_by_name() -> None:
    current = attempt()
    end = AttemptEnd(exit_code=143, end_status="stopped")
    assert judge(trial(current), current, end, {"lost": 1}).trial is None
    assert judge(trial(current), current, end, {"lost": 1, "preempted": 0}).trial == "failed"


def fold_of(*trials: TrialRecord, budget: int | None = 3) -> StudyFold:
    fold = StudyFold()
    fold.apply({"t": 1.0, "event": "study_created", "study": "s", "budget": {"trials": budget, "hours": 2}})
    for t in trials:
        fold.put(t)
    return fold


def queued(number: int, reason: str) -> TrialRecord:
    return TrialRecord(number=number, state="queued", params={}, request=AttemptRequest(reason=reason))  # type: ignore[arg-type]


def test_continuations_go_first_then_retries_then_new_ones() -> None:
    fold = fold_of(queued(0, "first"), queued(1, "retry"), queued(2, "continue"), queued(3, "continue"))
    chosen = next_queued(fold)
    assert chosen is not None
    assert chosen.number == 2
    assert next_queued(fold_of()) is None


def test_budget_hours_and_stop_end_the_asking() -> None:
    fold = fold_of(queued(0, "first"))
    assert wants_new_trial(fold, hours_used=0.0, exhausted=False)
    assert not wants_new_trial(fold, hours_used=2.0, exhausted=False)
    assert not wants_new_trial(fold, hours_used=0.0, exhausted=True)
    assert not wants_new_trial(fold_of(*(queued(n, "first") for n in range(3))), hours_used=0.0, exhausted=False)
    assert wants_new_trial(
        fold_of(*(queued(n, "first") for n in range(3)), budget=None), hours_used=0.0, exhausted=False
    )
    fold.apply({"t": 2.0, "event": "stop_requested"})
    assert not wants_new_trial(fold, hours_used=0.0, exhausted=False)


def test_end_of_study() -> None:
    assert end_of_study(fold_of(), wants_more=True) is None
    assert end_of_study(fold_of(), wants_more=False) == "finished"
    assert end_of_study(fold_of(queued(0, "retry")), wants_more=False) is None
    running = fold_of(trial(attempt()))
    running.apply({"t": 2.0, "event": "stop_requested"})
    assert end_of_study(running, wants_more=False) is None
    waiting = fold_of(queued(0, "retry"))
    waiting.apply({"t": 2.0, "event": "stop_requested"})
    assert end_of_study(waiting, wants_more=True) == "stopped"


def test_overrides_pile_up_over_attempts() -> None:
    request = AttemptRequest(reason="retry", set={"train.batch": 2}, env={"A": "2"})
    last = attempt(set={"train.batch": 4, "model.use_cudnn": False}, env={"A": "1", "B": "1"})
    assert overrides_in_force(trial(last), request) == (
        {"train.batch": 2, "model.use_cudnn": False},
        {"A": "2", "B": "1"},
    )


@pytest.mark.parametrize(
    ("points", "direction", "pick", "expected"),
    [
        ([], "maximize", "best", None),
        ([(1, 1.0), (2, 3.0), (3, 2.0)], "maximize", "best", (2, 3.0)),
        ([(1, 1.0), (2, 3.0), (3, 2.0)], "minimize", "best", (1, 1.0)),
        ([(1, 1.0), (2, 3.0), (3, 2.0)], "maximize", "last", (3, 2.0)),
        ([(1, math.nan), (2, 3.0)], "maximize", "best", (2, 3.0)),
    ],
)
def test_best_epoch(
    points: list[tuple[int, float]], direction: str, pick: str, expected: tuple[int, float] | None
) -> None:
    assert best_epoch(points, direction, pick) == expected


def test_a_trial_whose_last_value_is_nan_has_no_best() -> None:
    chosen = best_epoch([(1, 3.0), (2, math.nan)], "maximize", "best")
    assert chosen is not None
    assert math.isnan(chosen[1])


def test_closing_hours_only_interrupt() -> None:
    current = attempt(stopping="window")
    verdict = judge(trial(current), current, AttemptEnd(exit_code=143, end_status="stopped"), {})
    assert (verdict.attempt, verdict.trial, verdict.category) == ("stopped", None, None)
    assert verdict.retry == AttemptRequest(reason="continue")


@pytest.mark.parametrize(
    ("wanted", "asked", "again"),
    [
        ("stop", None, True),
        ("stop", "stop", False),
        ("now", "stop", True),
        ("stop", "now", False),
        ("stop", "window", True),
        ("window", "stop", False),
        ("stop", "prune", False),
        ("stop", "abort", False),
        ("now", "abort", True),
    ],
)
def test_urgency(wanted: str, asked: str | None, again: bool) -> None:
    assert is_more_urgent(wanted, asked) is again


def ended_fold(*ends: tuple[str, str | None, str | None], since: int = 0) -> StudyFold:
    fold = StudyFold(paused_trial=since)
    for number, (state, category, title) in enumerate(ends):
        last = AttemptRecord(number=1, state="failed", category=category, title=title)
        fold.put(TrialRecord(number, state, {}, attempts=(last,), category=category, ended=float(number)))  # type: ignore[arg-type]
    return fold


OOM = ("failed", "gpu_oom", "GPU out of memory")


@pytest.mark.parametrize(
    ("fold", "limit", "pauses"),
    [
        (ended_fold(OOM, OOM, OOM), 3, True),
        (ended_fold(OOM, OOM), 3, False),
        (ended_fold(OOM, OOM, OOM), 0, False),
        (ended_fold(OOM, OOM, OOM), 4, False),
        (ended_fold(OOM, OOM, ("complete", None, None), OOM, OOM, OOM), 3, False),
        (ended_fold(("pruned", None, None), OOM, OOM, OOM), 3, False),
        (ended_fold(OOM, ("failed", "nan_loss", "NaN"), OOM), 3, False),
        (ended_fold(("failed", "nan_loss", "NaN"), OOM, OOM, OOM), 3, True),
        (ended_fold(*[("failed", "crash", f"KeyError at 0x7f{n}") for n in range(3)]), 3, True),
        (ended_fold(*[("failed", "crash", f"{kind}Error") for kind in ("Key", "Value", "Type")]), 3, False),
        (ended_fold(OOM, OOM, OOM, since=3), 3, False),
        (ended_fold(OOM, OOM, OOM, OOM, OOM, OOM, since=3), 3, True),
    ],
)
def test_a_study_that_only_fails_pauses(fold: StudyFold, limit: int, pauses: bool) -> None:
    assert (failing_alike(fold, limit) is not None) is pauses


def test_the_pause_names_trials_and_reason() -> None:
    message = failing_alike(ended_fold(OOM, OOM, OOM), 3)
    assert message == "trials 0, 1, 2 all failed in the same way (gpu_oom: GPU out of memory)"
