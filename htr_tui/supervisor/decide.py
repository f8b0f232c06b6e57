"""What to do next: pure functions from the study's state and what was observed to decisions."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from htr_tui.journal.fold import StudyFold
from htr_tui.journal.records import END_STATES, AttemptRecord, AttemptRequest, AttemptState, TrialRecord, TrialState

_STOPPED_STATUS = {143, 130}
"""Exit statuses of a trainer that took TERM or INT well: 128 + signal."""
_STOP_SIGNALS = {15, 2}
DEFAULT_RETRIES = {"lost": 3}
"""What is tried again although the study file does not say so: nobody is to blame for a lost attempt."""


@dataclass(frozen=True, slots=True)
class SuggestedFix:
    """A fix of a finding that can be applied as it is."""

    name: str
    set: dict[str, Any]
    env: dict[str, str]


@dataclass(frozen=True, slots=True)
class AttemptEnd:
    """Everything known about an attempt that is over."""

    lost: bool = False
    """Its runner vanished without writing exit.json."""
    never_started: bool = False
    """The supervisor died before a runner claimed it."""
    exit_code: int | None = None
    signal: int | None = None
    end_status: str | None = None
    """`status` of the trainer's `end` event, if it wrote one."""
    stopped_now: bool = False
    """Its runner was told to end it now although no supervisor was there to write that down."""
    unasked: bool = False
    """Its runner says that no stop ever came to it: it ended by itself, whatever was about to be asked."""
    category: str = "none"
    """Of its finding."""
    title: str | None = None
    fixes: tuple[SuggestedFix, ...] = ()
    values: tuple[float | None, ...] = ()
    """Objectives; None where a metric was never reported."""
    missing: tuple[str, ...] = ()
    """Metrics that the objective names and the trainer never reported."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an attempt's end means for the attempt and its trial."""

    attempt: AttemptState
    trial: TrialState | None
    """The trial's end state; None when it is tried again."""
    retry: AttemptRequest | None = None
    category: str | None = None
    title: str | None = None


def judge(
    trial: TrialRecord,
    attempt: AttemptRecord,
    end: AttemptEnd,
    retries: Mapping[str, int],
    *,
    stop_is_wanted: bool = True,
) -> Verdict:
    """The verdict on an ended attempt. Only the pruner's decision makes `pruned`, only the user's `stopped`.

    `stop_is_wanted`: the study is being stopped. An attempt that was asked to stop before somebody changed his mind (or
    ran the study again after its supervisor had died in the middle of a stop) is continued.
    """
    if end.never_started:
        again = AttemptRequest(
            reason=attempt.reason,  # type: ignore[arg-type]
            fix=attempt.fix,
            set=attempt.set,
            env=attempt.env,
            fresh=attempt.resume_from is None,
        )
        return Verdict(attempt="lost", trial=None, retry=again)
    finished = not end.lost and end.exit_code == 0 and end.end_status != "stopped"
    stopping = None if end.unasked else attempt.stopping
    if stopping is not None and not (finished and end.end_status == "complete"):
        if stopping == "prune":
            return Verdict(attempt="pruned", trial="pruned")
        if stopping == "abort":
            return _failed(trial, end, retries, "aborted", attempt.title, "failed")
        return _stopped(stop_is_wanted and stopping != "window")
    if end.stopped_now and not finished:
        return _stopped(stop_is_wanted)
    if end.lost:
        return _failed(
            trial,
            end,
            retries,
            "lost",
            "the runner and the trainer vanished (killed, or the machine restarted)",
            "lost",
        )
    if finished:
        return _judge_finished(trial, end, retries)
    if _was_stopped_by_others(end):
        title = "ended by a signal that htr-tui did not send"
        return _failed(trial, end, retries, "preempted", end.title or title, "lost")
    category = end.category if end.category != "none" else "crash"
    return _failed(trial, end, retries, category, end.title, "failed")


def _stopped(for_good: bool) -> Verdict:
    if for_good:
        return Verdict(attempt="stopped", trial="stopped")
    return Verdict(attempt="stopped", trial=None, retry=AttemptRequest(reason="continue"))


def _was_stopped_by_others(end: AttemptEnd) -> bool:
    if end.end_status == "stopped":
        return True
    return end.category in ("none", "preempted") and (end.exit_code in _STOPPED_STATUS or end.signal in _STOP_SIGNALS)


def _judge_finished(trial: TrialRecord, end: AttemptEnd, retries: Mapping[str, int]) -> Verdict:
    if end.missing or any(value is None for value in end.values):
        names = ", ".join(end.missing) or "a metric of the objective"
        return _failed(
            trial,
            end,
            retries,
            "bad_config",
            f"the objective needs {names}, which the trainer never reported",
            "failed",
        )
    if not all(math.isfinite(value) for value in end.values if value is not None):
        return _failed(trial, end, retries, "nan_loss", end.title or "the objective is not a finite number", "failed")
    return Verdict(attempt="complete", trial="complete")


def _failed(
    trial: TrialRecord,
    end: AttemptEnd,
    retries: Mapping[str, int],
    category: str,
    title: str | None,
    state: AttemptState,
) -> Verdict:
    allowance = retries.get(category, retries.get("lost", 0) if category == "preempted" else 0)
    before = sum(1 for attempt in trial.attempts[:-1] if attempt.category == category)
    if before >= allowance:
        return Verdict(attempt=state, trial="failed", category=category, title=title)
    fix = end.fixes[0] if end.fixes else None
    request = AttemptRequest(
        reason="retry",
        fix=fix.name if fix else None,
        set=dict(fix.set) if fix else {},
        env=dict(fix.env) if fix else {},
    )
    return Verdict(attempt=state, trial=None, retry=request, category=category, title=title)


_URGENCY = {"prune": 0, "abort": 0, "window": 0, "stop": 1, "now": 2}


def is_more_urgent(wanted: str, asked: str | None) -> bool:
    """Whether an attempt that was asked to end for one reason is to be asked again for another.

    What the pruner or a rule decided stays decided when the study is stopped; only `now` overrides it.
    """
    if asked in ("prune", "abort"):
        return wanted == "now"
    return asked is None or _URGENCY[wanted] > _URGENCY[asked]


def failing_alike(fold: StudyFold, limit: int) -> str | None:
    """Why the study should pause: its trials all failed so far, the last `limit` in the same way; None if not.

    Counted from the first trial, or from the last time the user said to go on.
    """
    if not limit:
        return None
    ended: list[TrialRecord] = []
    for number in reversed(fold.trials):  # the newest first: one that did not fail is soon met
        if number < fold.paused_trial:
            break
        trial = fold.trials[number]
        if trial.state in END_STATES:
            if trial.state != "failed":
                return None
            ended.append(trial)
    if len(ended) < limit:
        return None
    last = sorted(ended, key=lambda trial: (trial.ended or 0.0, trial.number))[-limit:]
    if len({_way_of_failing(trial) for trial in last}) != 1:
        return None
    numbers = ", ".join(str(number) for number in sorted(trial.number for trial in last))
    attempt = last[-1].last_attempt
    title = f": {attempt.title}" if attempt is not None and attempt.title else ""
    return f"trials {numbers} all failed in the same way ({last[-1].category or 'unknown'}{title})"


def _way_of_failing(trial: TrialRecord) -> tuple[str | None, str]:
    """Category and, where the category says little, the title without its numbers."""
    attempt = trial.last_attempt
    title = attempt.title or "" if attempt is not None and trial.category in ("crash", "bad_config") else ""
    return trial.category, re.sub(r"[0-9a-fx]*[0-9][0-9a-fx.]*", "#", title)


def next_queued(fold: StudyFold) -> TrialRecord | None:
    """The queued trial to start first: continuations, then retries, then new ones, each by number."""
    rank = {"continue": 0, "retry": 1, "first": 2}
    queued = fold.in_state("queued")
    return min(queued, key=lambda t: (rank.get(t.request.reason, 3) if t.request else 3, t.number), default=None)


def wants_new_trial(fold: StudyFold, *, hours_used: float, exhausted: bool) -> bool:
    """Whether the budget still has room for a trial that does not exist yet."""
    if exhausted or fold.stop_requested:
        return False
    if fold.facts.hours is not None and hours_used >= fold.facts.hours:
        return False
    return fold.facts.trials is None or len(fold.trials) < fold.facts.trials


def end_of_study(fold: StudyFold, *, wants_more: bool) -> str | None:
    """Why the supervisor may go: "stopped", "finished", or None while there is work."""
    if fold.counts["running"]:
        return None
    if fold.stop_requested:
        return "stopped"
    if fold.counts["queued"] or wants_more:
        return None
    return "finished"


def overrides_in_force(trial: TrialRecord, request: AttemptRequest) -> tuple[dict[str, Any], dict[str, str]]:
    """Overrides and environment of the next attempt: the last attempt's with the request's over them."""
    last = trial.last_attempt
    return {**(last.set if last else {}), **request.set}, {**(last.env if last else {}), **request.env}


def best_epoch(values: Sequence[tuple[int, float]], direction: str, pick: str) -> tuple[int, float] | None:
    """The (epoch, objective) that counts: the last, or the best finite one; None without any.

    A trial whose last value is not finite has no best: its weights are gone, whatever it once reached.
    """
    if not values:
        return None
    last = values[-1]
    if pick == "last" or not math.isfinite(last[1]):
        return last
    finite = [pair for pair in values if math.isfinite(pair[1])]
    sign = -1.0 if direction == "minimize" else 1.0
    return max(finite, key=lambda pair: sign * pair[1])
