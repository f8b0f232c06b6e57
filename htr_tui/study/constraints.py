"""Constraints of a search: comparisons that a finished trial keeps or not, as numbers that samplers learn from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from htr_tui.study.comparison import Comparison

MEASURED: Final = ("peak_gpu_bytes", "peak_rss_bytes", "seconds")
"""Names that mean what the supervisor measured, not a metric of the trainer."""


def parse_constraint(text: str) -> Comparison:
    """The comparison that a constraint says; ValueError in words for people."""
    comparison = Comparison.parse(text)
    if not comparison.names:
        raise ValueError("names no metric")
    return comparison


def constraint_values(
    constraints: Sequence[str],
    metrics: Mapping[str, float],
    *,
    peak_gpu_bytes: float | None,
    peak_rss_bytes: float | None,
    seconds: float | None,
) -> tuple[float, ...]:
    """By how much a finished trial misses each constraint; at most 0 where it keeps it.

    What cannot be known (a metric that was never reported, or is NaN) does not keep its constraint: infinity. Pass 0
    as `peak_gpu_bytes` for a trial that was given no GPU.
    """
    known = _known(metrics, peak_gpu_bytes, peak_rss_bytes, seconds)
    return tuple(_excess(parse_constraint(text), known) for text in constraints)


def unknown_names(
    constraints: Sequence[str],
    metrics: Mapping[str, float],
    *,
    peak_gpu_bytes: float | None,
    peak_rss_bytes: float | None,
    seconds: float | None,
) -> tuple[str, ...]:
    """What the constraints name and a finished trial does not have, for a note."""
    known = _known(metrics, peak_gpu_bytes, peak_rss_bytes, seconds)
    names = dict.fromkeys(name for text in constraints for name in parse_constraint(text).names)
    return tuple(name for name in names if name not in known)


def _known(
    metrics: Mapping[str, float], peak_gpu_bytes: float | None, peak_rss_bytes: float | None, seconds: float | None
) -> dict[str, float]:
    measured = zip(MEASURED, (peak_gpu_bytes, peak_rss_bytes, seconds), strict=True)
    metrics = {name: value for name, value in metrics.items() if name not in MEASURED}
    return {**metrics, **{name: float(value) for name, value in measured if value is not None}}


def _excess(comparison: Comparison, known: Mapping[str, float]) -> float:
    excess = comparison.excess(known)
    if excess is None or math.isnan(excess):
        # inf <= inf holds, although their difference is no number
        return 0.0 if comparison.holds(known) else math.inf
    if excess <= 0 and not comparison.holds(known):
        return math.ulp(0.0)  # equal, where the comparison is strict
    return excess
