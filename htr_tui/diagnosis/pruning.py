"""Pruning that says more about the study than about its trials."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

from htr_tui.diagnosis import words
from htr_tui.diagnosis.cases import Cases
from htr_tui.diagnosis.diagnosis import Diagnosis
from htr_tui.journal.records import TrialRecord

MANY = 5
"""So many trials have to be pruned before their steps are compared."""
SAME_STEP = 0.9
"""Share of the pruned trials at one step that makes it the step."""
MOST = 0.8
"""Share of the ended trials pruned at one step that is too much even with sound values."""


def pruned_at_one_step(cases: Cases) -> Iterator[Diagnosis]:
    """Everything pruned at the same step; worse where there was nothing to compare at that step."""
    pruned = cases.pruned
    if len(pruned) < MANY:
        return
    step, number = Counter(map(_step, pruned)).most_common(1)[0]
    if number < SAME_STEP * len(pruned):
        return
    there = [trial for trial in pruned if _step(trial) == step]
    values = [_value(trial, step) for trial in there]
    seen = _what_was_seen(values)
    if seen and not _differ([_value(trial, step) for trial in cases.complete]):
        yield _blind(cases, there, step, seen)
    elif not cases.complete or number >= MOST * len(cases.ended):
        yield _too_sharp(cases, there, step)


def _step(trial: TrialRecord) -> int | None:
    return trial.epoch if trial.epoch is not None else max(trial.reported, default=None)


def _value(trial: TrialRecord, step: int | None) -> float | None:
    return trial.reported.get(step) if step is not None else None


def _differ(values: list[float | None]) -> bool:
    return len({v for v in values if v is not None and not math.isnan(v)}) > 1


def _what_was_seen(values: list[float | None]) -> str:
    """How the values at the step fail to tell trials apart; empty if they do tell."""
    numbers = [value for value in values if value is not None]
    if not numbers:
        return "no intermediate value at all"
    if all(map(math.isnan, numbers)):
        return "nothing but NaN"
    if len(set(numbers)) == 1 and len(numbers) > 1:
        return f"the same value {words.number(numbers[0])} in every one of them"
    return ""


def _blind(cases: Cases, there: list[TrialRecord], step: int | None, seen: str) -> Diagnosis:
    place = "before anything was reported" if step is None else f"at step {step}"
    return Diagnosis(
        "pruned_without_metrics",
        "error",
        f"{words.percent(len(there), len(cases.trials))} trials were pruned {place}, without metrics to judge them by",
        f"The pruner saw {seen}{'' if step is None else f' at step {step}'}. Trials that really differ do not look like "
        "that: the metrics were read before they were there (as from a tracking server that had not received them yet, "
        "with a default in their place), or under a name that the trainer does not write.",
        tuple(t.number for t in there),
        "report the metric from the training process itself (trial.report after the epoch's metrics exist, or under "
        "htr-tui `metrics:` from events, log or files, which a pruner never reads too early), leave out missing values "
        "instead of replacing them, and give the pruner n_warmup_steps; none of these trials says anything about its "
        "parameters",
    )


def _too_sharp(cases: Cases, there: list[TrialRecord], step: int | None) -> Diagnosis:
    values = [v for t in there if (v := _value(t, step)) is not None and not math.isnan(v)]
    spread = f", with values from {words.number(min(values))} to {words.number(max(values))}" if values else ""
    return Diagnosis(
        "pruned_at_one_step",
        "warning" if cases.complete else "error",
        f"{words.percent(len(there), len(cases.ended))} ended trials were pruned at step {step}",
        f"They all were given up at the same step{spread}; {words.count(len(cases.complete), 'trial')} came to the end.",
        tuple(t.number for t in there),
        "compare later: give the pruner n_warmup_steps beyond that step, and n_startup_trials that run to their end "
        "first; and check that the direction (maximize or minimize) is the right one",
    )
