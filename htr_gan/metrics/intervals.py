"""How far a figure can be trusted: percentile bootstrap over lines (Efron 1979), also of paired differences.

A line is what is drawn again, with its edits and its characters together; so the interval speaks of other lines of the
same kind, not of other seeds of the training. Lines of one page or writer are alike: the interval is then too narrow.
Everything is a pure function of its arguments, the seed among them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

RESAMPLES = 2000
LEVEL = 0.95
SEED = 20260801
_DRAWN_AT_ONCE = 2_000_000
"""Indices in memory at a time: 16 MB."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with the bounds of its interval, in the unit of the figure."""

    value: float
    low: float
    high: float
    lines: int

    @property
    def excludes_zero(self) -> bool:
        """For differences: whether the sign can be believed."""
        return self.low > 0.0 or self.high < 0.0

    def overlaps(self, other: Interval) -> bool:
        """Whether the two intervals share a value."""
        return self.low <= other.high and other.low <= self.high

    def record(self) -> dict[str, float | int]:
        """As JSON."""
        return {"value": self.value, "low": self.low, "high": self.high, "lines": self.lines}


def rate_interval(
    edits: ArrayLike, lengths: ArrayLike, *, resamples: int = RESAMPLES, level: float = LEVEL, seed: int = SEED
) -> Interval:
    """Of a corpus rate (all edits over all characters), from the counts of each line."""
    counts = _columns(edits, lengths)

    def rate(sums: Floats) -> Floats:
        return sums[..., 0] / sums[..., 1]

    return _interval(counts, rate, resamples, level, seed)


def mean_interval(values: ArrayLike, *, resamples: int = RESAMPLES, level: float = LEVEL, seed: int = SEED) -> Interval:
    """Of a mean over lines, as of PSNR and SSIM."""
    column = _columns(values)

    def mean(sums: Floats) -> Floats:
        return sums[..., 0] / len(column)

    return _interval(column, mean, resamples, level, seed)


def rate_difference(
    first_edits: ArrayLike,
    second_edits: ArrayLike,
    lengths: ArrayLike,
    *,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    seed: int = SEED,
) -> Interval:
    """Second corpus rate minus the first on the same lines; each draw takes the same lines of both."""
    counts = _columns(first_edits, second_edits, lengths)

    def difference(sums: Floats) -> Floats:
        return (sums[..., 1] - sums[..., 0]) / sums[..., 2]

    return _interval(counts, difference, resamples, level, seed)


def mean_difference(
    first: ArrayLike, second: ArrayLike, *, resamples: int = RESAMPLES, level: float = LEVEL, seed: int = SEED
) -> Interval:
    """Second mean minus the first on the same lines."""
    pairs = _columns(first, second)
    return mean_interval(pairs[:, 1] - pairs[:, 0], resamples=resamples, level=level, seed=seed)


def _columns(*columns: ArrayLike) -> Floats:
    """[lines, columns]; ValueError for what is no column of numbers or differs in length."""
    arrays = [np.asarray(column, np.float64) for column in columns]
    if any(array.ndim != 1 or array.shape != arrays[0].shape for array in arrays):
        raise ValueError("one number a line is expected, and as many lines in each column")
    if not len(arrays[0]):
        raise ValueError("an interval needs at least one line")
    if not all(np.isfinite(array).all() for array in arrays):
        raise ValueError("an interval needs finite numbers")
    return np.stack(arrays, axis=1)


def _interval(columns: Floats, figure: Callable[[Floats], Floats], resamples: int, level: float, seed: int) -> Interval:
    if resamples < 1 or not 0.0 < level < 1.0:
        raise ValueError("at least one resample, and a level between 0 and 1")
    with np.errstate(divide="ignore", invalid="ignore"):
        value = _finite(figure(columns.sum(axis=0)))
        drawn = np.concatenate([figure(sums) for sums in _resampled_sums(columns, resamples, seed)])
    drawn = drawn[np.isfinite(drawn)]  # a draw of empty transcriptions alone has no rate
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2]) if len(drawn) else (value, value)
    return Interval(value, float(low), float(high), len(columns))


def _finite(value: Any) -> float:
    if not np.isfinite(value):
        raise ValueError("an error rate needs transcriptions that are not empty")
    return float(value)


def _resampled_sums(columns: Floats, resamples: int, seed: int) -> Iterator[Floats]:
    """Sums over lines drawn with replacement, [some resamples, columns] at a time."""
    rng, lines = np.random.default_rng(seed), len(columns)
    at_once = max(_DRAWN_AT_ONCE // lines, 1)
    for start in range(0, resamples, at_once):
        drawn = rng.integers(lines, size=(min(at_once, resamples - start), lines))
        yield np.stack([column[drawn].sum(axis=1) for column in columns.T], axis=1)
