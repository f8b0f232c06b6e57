"""Wide lines in overlapping windows, put together again without seams.

Windows start at multiples of 16, as the generator pools by at most 16: so each window sees the same grid of pixels as a
network of the whole width would. The outermost quarter of an overlap is what the network saw the border of and is not
used; in the middle half one window fades into the next by a raised cosine.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

GRID = 16
"""Widths and starts are multiples of this, whatever the levels of the generator."""
PAPER_QUANTILE = 0.8
"""Of the pixels of a line, most are paper; this one stands for it where a line is made longer."""

Floats = NDArray[np.float32]


def overlap_of(window: int) -> int:
    """Columns that two neighbours share: a quarter of the window, and no fewer than a network's context needs."""
    return min(max(window // 4 // GRID * GRID, 4 * GRID), window // 2 // GRID * GRID)


def window_starts(width: int, window: int) -> list[int]:
    """Where windows begin, so that they cover `width` columns; the last one may reach beyond."""
    if width <= window:
        return [0]
    stride = max(window - overlap_of(window), GRID)
    last = -(-(width - window) // GRID) * GRID
    return [*range(0, last, stride), last]


def cut_windows(line: Floats, window: int) -> Floats:
    """`line` [height, width] as [windows, height, window]; what is missing at the right is paper."""
    starts = window_starts(line.shape[1], window)
    padded = pad_right(line, starts[-1] + window)
    return np.stack([padded[:, start : start + window] for start in starts])


def pad_right(line: Floats, width: int) -> Floats:
    """`line` made `width` columns wide with its own paper colour."""
    missing = width - line.shape[1]
    if missing <= 0:
        return line
    paper = np.float32(np.quantile(line, PAPER_QUANTILE))
    return np.pad(line, ((0, 0), (0, missing)), constant_values=paper)


def join_windows(windows: Floats, width: int) -> Floats:
    """The line of `width` columns whose windows (see `cut_windows`) were worked on one by one."""
    count, height, window = windows.shape
    starts = window_starts(width, window)
    if len(starts) != count:
        raise ValueError(f"{count} windows of {window} columns do not make a line of {width}")
    total = np.zeros((height, starts[-1] + window), np.float64)
    weight = np.zeros(starts[-1] + window, np.float64)
    for start, share, part in zip(starts, window_weights(starts, window), windows, strict=True):
        total[:, start : start + window] += share * part
        weight[start : start + window] += share
    return (total / weight)[:, :width].astype(np.float32)


def window_weights(starts: Sequence[int], window: int) -> list[NDArray[np.float64]]:
    """How much each window says about each of its columns: 1 inside, fading to 0 towards its neighbours."""
    rise = _rise(window)
    weights = []
    for number in range(len(starts)):
        share = np.ones(window)
        if number > 0:
            share *= rise
        if number < len(starts) - 1:
            share *= rise[::-1]
        weights.append(share)
    return weights


def _rise(window: int) -> NDArray[np.float64]:
    overlap = overlap_of(window)
    unused = overlap // 4
    ramp = overlap - 2 * unused
    along = (np.arange(window) - unused + 0.5) / ramp
    return np.asarray(0.5 - 0.5 * np.cos(np.pi * np.clip(along, 0.0, 1.0)), np.float64)
