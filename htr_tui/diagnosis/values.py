"""Objective values that tell too little: all the same, still growing at the end, or drowned in chance."""

from __future__ import annotations

import json
import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from htr_tui.diagnosis import words
from htr_tui.diagnosis.cases import Cases, is_seed
from htr_tui.diagnosis.diagnosis import Diagnosis
from htr_tui.journal.records import TrialRecord

MANY = 5
"""Complete trials before their values are compared."""
MOSTLY = 0.8
"""Share of equal values (of ten or more) that is told."""

CURVE_STEPS = 5
"""Steps of a curve before its end is looked at."""
STILL_GAINING = 0.1
"""Share of a curve's whole gain that lies in its last fifth when a trial was not done yet."""
LARGEST = 1e150
"""Values beyond this have no variance that a number can hold."""
GAINING_SHARE = 0.7
"""Share of the better half of the trials that has to be still gaining."""


def values_equal(cases: Cases) -> Iterator[Diagnosis]:
    """An objective that is the same whatever the parameters are."""
    for index, objective in enumerate(cases.fold.facts.objectives or ("objective",)):
        told = [t for t in cases.complete if index < len(t.values) and math.isfinite(t.values[index])]
        if len(told) < MANY:
            continue
        value, number = Counter(t.values[index] for t in told).most_common(1)[0]
        same = tuple(t.number for t in told if t.values[index] == value)
        if number == len(told):
            yield Diagnosis(
                "values_equal", "error", f"{words.name(objective)} is {words.number(value)} in every trial",
                f"All {number} complete trials have the same value, whatever their parameters are: the objective is a "
                "constant or a default, or the parameters do not reach the training.",
                same,
                "compare the logs of two trials: do their settings differ, and do their metrics? Then check the metric's "
                "name and the default that is used where it is missing",
            )  # fmt: skip
        elif len(told) >= 2 * MANY and number >= MOSTLY * len(told):
            yield Diagnosis(
                "values_mostly_equal", "warning",
                f"{words.name(objective)} is {words.number(value)} in {words.percent(number, len(told))} complete trials",
                "So many equal values are a default, a ceiling, or a metric too coarse to tell trials apart.",
                same, "use a finer metric, or leave out values that were not measured instead of replacing them",
            )  # fmt: skip


def still_improving(cases: Cases) -> Iterator[Diagnosis]:
    """The better half of the trials ends while it still gets better: what is compared is speed, not quality."""
    better = cases.ranked[: max(MANY, (len(cases.ranked) + 1) // 2)]
    gains = [(trial, gain) for trial in better if (gain := _late_gain(trial, cases.is_minimized)) is not None]
    if len(gains) < MANY:
        return
    gaining = [trial for trial, gain in gains if gain >= STILL_GAINING]
    if len(gaining) < GAINING_SHARE * len(gains):
        return
    typical = statistics.median(gain for _, gain in gains)
    yield Diagnosis(
        "still_improving", "info", "the best trials still improve when they end",
        f"{words.percent(len(gaining), len(gains))} of the better trials make at least {STILL_GAINING:.0%} of their whole "
        f"gain in the last fifth of their steps (typically {typical:.0%}).",
        tuple(sorted(t.number for t in gaining)),
        "train longer, or run the best ones again at full length before choosing between them"
        + ("" if cases.is_imported else f": `htr-tui promote {cases.fold.facts.study} TRIAL`"),
    )  # fmt: skip


def _late_gain(trial: TrialRecord, is_minimized: bool) -> float | None:
    """The share of a curve's whole gain that lies in its last fifth; None for a curve that is too short or flat."""
    curve = [value for _, value in sorted(trial.reported.items()) if math.isfinite(value)]
    if len(curve) < CURVE_STEPS:
        return None
    curve = [-value for value in curve] if is_minimized else curve
    late = max(1, len(curve) // 5)
    first, early, best = curve[0], max(curve[:-late]), max(curve)
    whole = best - first
    return (best - early) / whole if whole > 0 else None


def seed_spread(cases: Cases) -> Iterator[Diagnosis]:
    """Repeats of one setting that differ more among themselves than the settings do."""
    groups: dict[str, list[TrialRecord]] = defaultdict(list)
    for trial in cases.ranked:
        if any(map(is_seed, trial.params)) and abs(trial.value or 0.0) < LARGEST:
            groups[setting_of(trial.params)].append(trial)
    repeated = [group for group in groups.values() if len(group) > 1]
    if len(repeated) < 2:
        return
    spread = math.sqrt(statistics.fmean(statistics.variance(_values(group)) for group in repeated))
    means = [statistics.fmean(_values(group)) for group in repeated]
    apart = statistics.stdev(means)
    if spread <= apart or spread == 0:
        return
    yield Diagnosis(
        "seed_spread", "warning", "chance moves the objective more than the settings do",
        f"{len(repeated)} settings were repeated with other seeds: one setting varies by {words.number(spread)} (standard "
        f"deviation over seeds), the settings' means only by {words.number(apart)}.",
        tuple(sorted(t.number for group in repeated for t in group)),
        "more seeds for each setting before one is called better; or an objective with less noise (more validation data, "
        "a mean over the last epochs)",
    )  # fmt: skip


def setting_of(params: dict[str, Any]) -> str:
    """Parameters without seeds, as a key."""
    return json.dumps({k: v for k, v in sorted(params.items()) if not is_seed(k)}, sort_keys=True, default=str)


def _values(trials: list[TrialRecord]) -> list[float]:
    return [trial.value or 0.0 for trial in trials]
