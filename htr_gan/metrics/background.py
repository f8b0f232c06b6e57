"""The classic peer of a learned restoration: background division."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

TUNED_HEIGHT = 32
"""Height of the lines on which the sizes below were chosen: the best of 72 settings by CER, so in favour of this peer."""
_CLOSING, _MEDIAN, _PAPER_BLUR, _INK_BLUR = 7, 3, 3.0, 0.5
_BLACK, _RANGE = 0.5, 0.42


def divide_background(line: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A line [height, width] on white paper: paper estimated by closing and blur, divided out, contrast stretched.

    It has nothing to learn, so it is the bar for what a network adds over cleaning. The sizes of its filters are
    tuned at 32 pixels and scale with the height of the line.
    """
    scale = line.shape[0] / TUNED_HEIGHT
    quiet = cv2.medianBlur(line, _odd(_MEDIAN * scale))
    closing = _odd(_CLOSING * scale)
    closed = cv2.morphologyEx(quiet, cv2.MORPH_CLOSE, np.ones((closing, closing), np.uint8))
    paper = cv2.GaussianBlur(closed, (0, 0), _PAPER_BLUR * scale).astype(np.float32)
    ink = cv2.GaussianBlur(quiet, (0, 0), _INK_BLUR * scale).astype(np.float32)
    flat = np.clip((ink / np.maximum(paper, 1.0) - _BLACK) / _RANGE, 0.0, 1.0)
    return np.asarray(np.rint(flat * 255.0), np.uint8)


def _odd(size: float) -> int:
    """The nearest odd size, at least 3."""
    return max(2 * round((size - 1) / 2) + 1, 3)
