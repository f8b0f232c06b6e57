"""Real lines on grey paper brought onto white paper, so that they can be the clean side of a pair."""

from __future__ import annotations

import cv2
import numpy as np

from htr_gan.data.render import Picture

CLOSING_HEIGHT, CLOSING_WIDTH = 0.6, 0.8
"""Size of the closing in heights of the line: larger than any stroke is thick, smaller than shadows and stains."""
PAPER_SIGMAS = 3.0
"""Paper within so many robust standard deviations of its own grey is white."""
LEAST_CONTRAST = 0.08
"""Share of the light; what stands out less than this is no writing."""
DARK_SHARE = 0.5
"""Percentile of the page that becomes `DARKEST`."""
DARKEST = 16
_SIGMA_OF_MAD = 1.4826


def flatten_paper(line: Picture) -> Picture:
    """`line` [height, width] with the paper white and the ink dark; grey edges of strokes stay grey.

    The paper under the ink is estimated by a closing that is larger than strokes are thick, smoothed, and divided out;
    then contrast is stretched from the paper's own grain to the darkest ink. A line without writing becomes white.
    """
    height, width = line.shape
    size = (min(_odd(CLOSING_WIDTH * height), _odd(width)), _odd(CLOSING_HEIGHT * height))
    closed = cv2.morphologyEx(line, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_RECT, size))
    paper = cv2.GaussianBlur(closed, (0, 0), height / 6).astype(np.float32)
    light = line.astype(np.float32) / np.maximum(paper, 1.0)
    middle = float(np.median(light))
    grain = _SIGMA_OF_MAD * float(np.median(np.abs(light - middle)))
    white = min(middle - PAPER_SIGMAS * grain, 1.0)
    black = float(np.percentile(light, DARK_SHARE))
    if white - black < LEAST_CONTRAST:
        return np.full_like(line, 255)
    stretched = DARKEST + (light - black) * ((255.0 - DARKEST) / (white - black))
    return np.asarray(np.clip(stretched, 0.0, 255.0) + 0.5, np.uint8)


def _odd(size: float) -> int:
    return max(2 * int(size / 2) + 1, 3)
