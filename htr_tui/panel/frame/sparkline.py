"""A curve in one row of text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

_LEFT: Final = (0x40, 0x04, 0x02, 0x01)
_RIGHT: Final = (0x80, 0x20, 0x10, 0x08)
"""Braille dots of the left and right half of a cell, from the bottom up."""
_ASCII_LEVELS: Final = "_.-^"


def sparkline(
    values: Sequence[float], width: int, ascii: bool = False, bounds: tuple[float, float] | None = None
) -> str:
    """The values over `width` cells, two places to a cell; NaN and infinities are gaps.

    The lowest and the highest stand at the bottom and the top, unless `bounds` says what does.
    """
    if width <= 0 or not values:
        return ""
    points = _spread(values, width if ascii else 2 * width)
    finite = [value for value in points if math.isfinite(value)]
    if not finite:
        return ""
    low, high = bounds or (min(finite), max(finite))
    levels = [_level(value, low, high) for value in points]
    if ascii:
        return "".join(" " if level is None else _ASCII_LEVELS[level] for level in levels)
    cells = []
    for i in range(0, len(levels), 2):
        dots = 0
        if (left := levels[i]) is not None:
            dots |= _LEFT[left]
        if i + 1 < len(levels) and (right := levels[i + 1]) is not None:
            dots |= _RIGHT[right]
        cells.append(chr(0x2800 + dots))
    return "".join(cells)


def _level(value: float, low: float, high: float) -> int | None:
    if not math.isfinite(value):
        return None
    if high == low:
        return 1
    # Halves first: the difference of two huge values would be infinite.
    share = (value / 2 - low / 2) / (high / 2 - low / 2)
    return min(3, max(0, round(share * 3)))


def _spread(values: Sequence[float], count: int) -> list[float]:
    """The values over `count` places: some of them where they are too many, straight lines where too few."""
    last = len(values) - 1
    if last <= 0 or count <= 1:
        return [values[-1]]
    if last >= count:
        return [values[round(i * last / (count - 1))] for i in range(count)]
    points = []
    for i in range(count):
        place = i * last / (count - 1)
        left = min(int(place), last - 1)
        share = place - left
        points.append(values[left] * (1 - share) + values[left + 1] * share)
    return points
