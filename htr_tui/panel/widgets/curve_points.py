"""Points of curves: thinned, split at gaps, scaled, with round ticks. Pure, and safe for any float."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

from htr_tui.panel.format import number

Point = tuple[float, float]
"""x (epoch or step) and y; a y that is not finite is a gap."""

Better = Literal["max", "min"]

_LOWER: Final = ("loss", "cer", "wer", "error", "mae", "mse", "perplexity", "distance", "seconds", "lpips", "fid")
_HIGHER: Final = ("psnr", "ssim", "acc", "accuracy", "f1", "precision", "recall", "iou", "bleu", "reward", "score")


def guess_better(metric: str) -> Better | None:
    """Whether higher or lower values of a metric are better, as far as its name tells."""
    words = metric.lower().replace("/", "_").replace("-", "_").replace(".", "_").split("_")
    if any(word in _LOWER for word in words):
        return "min"
    return "max" if any(word in _HIGHER for word in words) else None


def is_finite(point: Point) -> bool:
    """Whether a point has a place."""
    return math.isfinite(point[0]) and math.isfinite(point[1])


def thin(points: Sequence[Point], limit: int) -> list[Point]:
    """At most `limit` of the points in their order, with the first, last, lowest and highest (if `limit` allows four).

    Of equal parts of the curve the lowest and the highest point stay, so that peaks do not vanish.
    """
    if len(points) <= limit:
        return list(points)
    places = range(len(points))
    finite = [i for i in places if is_finite(points[i])]
    needed = [0, len(points) - 1, *_extremes(points, finite)]
    kept: set[int] = set()
    for i in needed:
        if len(kept) < limit:
            kept.add(i)
    parts = max(0, limit - 4) // 2
    for part in range(parts):
        kept.update(_extremes(points, finite[part * len(finite) // parts : (part + 1) * len(finite) // parts]))
    return [points[i] for i in sorted(kept)]


def _extremes(points: Sequence[Point], places: Sequence[int]) -> list[int]:
    if not places:
        return []
    return [min(places, key=lambda i: points[i][1]), max(places, key=lambda i: points[i][1])]


def split_runs(points: Iterable[Point]) -> list[list[Point]]:
    """The finite points between gaps."""
    runs: list[list[Point]] = [[]]
    for point in points:
        if is_finite(point):
            runs[-1].append(point)
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def in_order(points: Iterable[Point]) -> tuple[Point, ...]:
    """The points by x; where an epoch was done twice (a continuation) the later value counts."""
    given = tuple(points)
    if all(a[0] < b[0] for a, b in pairwise(given)):
        return given
    latest = {x: (x, y) for x, y in given if math.isfinite(x)}
    return tuple(latest[x] for x in sorted(latest))


def best_point(points: Iterable[Point], better: Better | None) -> Point | None:
    """The first point with the best value; None without a direction or without values."""
    finite = [point for point in points if is_finite(point)]
    if better is None or not finite:
        return None
    return (max if better == "max" else min)(finite, key=lambda point: point[1])


@dataclass(frozen=True, slots=True)
class Scale:
    """From values to a share of an axis, 0 to 1."""

    low: float
    high: float
    is_log: bool = False

    @classmethod
    def around(cls, values: Sequence[float], is_log: bool = False) -> Scale:
        """The scale of finite values (positive ones if logarithmic); one value gets room on both sides."""
        low, high = (min(values), max(values)) if values else (0.0, 1.0)
        if low == high and not is_log:
            room = abs(low) * 0.05 or 1.0
            low, high = max(low - room, -1e308), min(high + room, 1e308)
        elif low == high:
            low, high = max(low / 2, 5e-324), min(high * 2, 1e308)
        return cls(low, high, is_log)

    def share(self, value: float) -> float:
        """Where `value` stands, clipped to the axis; halves keep the largest floats from overflowing."""
        low, high = (math.log(self.low), math.log(self.high)) if self.is_log else (self.low / 2, self.high / 2)
        place = math.log(value) if self.is_log else value / 2
        if high <= low:
            return 0.5
        return min(1.0, max(0.0, (place - low) / (high - low)))

    def ticks(self, count: int) -> list[float]:
        """At most `count` round values on the axis, or its two ends where there are none."""
        found = self._log_ticks(count) if self.is_log else self._round_ticks(count)
        return found or [self.low, self.high][: max(1, count)]

    def _round_ticks(self, count: int) -> list[float]:
        span = self.high - self.low
        if count < 1 or not math.isfinite(span) or span <= 0 or span < 1e-300:
            return []
        for step in _round_steps(span / (count + 1)):
            first, last = math.ceil(self.low / step), math.floor(self.high / step)
            if 0 <= last - first < count:
                return [n * step for n in range(first, last + 1)]
        return []

    def _log_ticks(self, count: int) -> list[float]:
        exponents = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        for factors in ((1, 2, 5), (1, 3), (1,)):
            values = [float(f"{factor}e{n}") for n in exponents if n < 308 for factor in factors]
            inside = [value for value in values if self.low <= value <= self.high]
            if 1 < len(inside) <= count:
                return inside
        tens = [float(f"1e{n}") for n in exponents if n < 308]
        inside = [value for value in tens if self.low <= value <= self.high]
        if len(inside) < 2:
            return []
        return inside[:: max(1, math.ceil(len(inside) / max(1, count)))]


def _round_steps(wish: float) -> Iterable[float]:
    """Steps of 1, 2, 2.5 and 5 times a power of ten, from about `wish` upwards."""
    exponent = math.floor(math.log10(wish))
    for n in range(exponent, exponent + 3):
        for factor in (1.0, 2.0, 2.5, 5.0):
            if factor * 10.0**n >= wish * 0.999:
                yield factor * 10.0**n


def tick_labels(ticks: Sequence[float]) -> list[str]:
    """The ticks with as many decimals as tell them apart."""
    for digits in range(7):
        labels = [number(tick, digits) for tick in ticks]
        is_exact = all(abs(round(tick, digits) - tick) <= 1e-6 * abs(tick) for tick in ticks)
        if is_exact and len(set(labels)) == len(labels):
            return labels
    return [number(tick, 2) if abs(tick) >= 0.01 or tick == 0 else f"{tick:.1e}" for tick in ticks]


def value_text(value: float) -> str:
    """A metric's value with about four digits."""
    size = abs(value)
    if not math.isfinite(value) or size >= 1e7:
        return number(value)
    return number(value, 0 if size >= 10_000 else 1 if size >= 1000 else 2 if size >= 10 else 3 if size >= 1 else 4)
