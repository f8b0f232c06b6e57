"""Small changes to the lines that a recogniser learns from, so that few real lines teach more than their own pixels.

A change depends on (seed, pass, index) alone. All work is on uint8 pictures of one line with OpenCV, which needs a
fraction of a millisecond for 48 x 768 and lets other threads run meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from htr_gan.data.render import Picture

Field = NDArray[np.float32]

Range = tuple[float, float]

_STREAM = 0x617567
"""Keeps these draws apart from those that render and degrade under the same seed."""


@dataclass(frozen=True, slots=True)
class Amounts:
    """How far each property may move; lengths are shares of the height, greys shares of the white."""

    across: Range
    """Factor of widths."""
    along: Range
    """Factor of heights."""
    slant: float
    """Tangent of the largest angle to either side."""
    drift: float
    """Largest shift up or down."""
    contrast: Range
    brightness: float
    noise: float
    """Largest standard deviation of the grain."""
    blur: float
    """Probability of a blur."""
    strokes: float
    """Probability of thinner or thicker strokes."""


AMOUNTS = {
    "light": Amounts((0.93, 1.08), (0.95, 1.05), 0.12, 0.03, (0.85, 1.15), 0.05, 0.01, 0.0, 0.0),
    "strong": Amounts((0.85, 1.2), (0.9, 1.1), 0.3, 0.06, (0.7, 1.3), 0.1, 0.02, 0.15, 0.2),
}
"""By the value of `data.augment`."""

SIDEWAYS = 0.5
"""Largest shift to the left or right, in heights; writing never leaves the picture."""
_INKED = 0.35
"""A column is written on if it is darker than the brightest by this share of the range."""
_SPARE = (31, 127)
"""Rows and columns by which the sheet of noise is larger than a line, for as many places to cut it from."""


def augment_line(page: Picture, amounts: Amounts, seed: int, number: int, index: int) -> Picture:
    """Line `index` as it is seen in pass `number`."""
    rng = np.random.default_rng([seed, _STREAM, number, index])
    moved = _moved(page, amounts, rng)
    return _shaded(_restroked(moved, amounts, rng), amounts, rng)


def written_columns(page: Picture) -> tuple[int, int]:
    """The first column with writing and the one after the last; all columns if nothing stands out."""
    darkest = page.min(axis=0).astype(np.float32)
    bright, dark = float(darkest.max()), float(darkest.min())
    inked = np.flatnonzero(darkest < bright - _INKED * (bright - dark))
    return (int(inked[0]), int(inked[-1]) + 1) if len(inked) else (0, page.shape[1])


def _moved(page: Picture, amounts: Amounts, rng: np.random.Generator) -> Picture:
    """Stretched, slanted and shifted, edges repeated; the writing keeps its first and last letter."""
    height, width = page.shape
    across, along = rng.uniform(*amounts.across), rng.uniform(*amounts.along)
    slant = rng.uniform(-amounts.slant, amounts.slant)
    shift_x, shift_y = rng.uniform(-SIDEWAYS, SIDEWAYS) * height, rng.uniform(-amounts.drift, amounts.drift) * height
    first, end = written_columns(page)
    across = min(across, max(width - abs(slant) * height, 1.0) / (end - first))
    half = ((end - first) * across + abs(slant) * height) / 2
    centre = (first + end) / 2
    target = min(max(centre + shift_x, half), max(width - half, half))
    middle = height / 2
    matrix = np.array(
        [
            [across, slant, target - across * centre - slant * middle],
            [0.0, along, middle - along * middle + shift_y],
        ]
    )
    moved = cv2.warpAffine(page, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.uint8)


def _restroked(page: Picture, amounts: Amounts, rng: np.random.Generator) -> Picture:
    """Sometimes with other strokes, sometimes out of focus."""
    change, kind, share, blur, sigma = rng.random(5)
    if change < amounts.strokes:
        cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
        other = cv2.erode(page, cross) if kind < 0.5 else cv2.dilate(page, cross)
        weight = 0.3 + 0.4 * share
        page = np.asarray(cv2.addWeighted(other, weight, page, 1.0 - weight, 0.0), np.uint8)
    if blur < amounts.blur:
        page = np.asarray(cv2.GaussianBlur(page, (0, 0), 0.4 + 0.6 * sigma), np.uint8)
    return page


def _shaded(page: Picture, amounts: Amounts, rng: np.random.Generator) -> Picture:
    """In another contrast and brightness, and with grain."""
    contrast = rng.uniform(*amounts.contrast)
    brightness = rng.uniform(-amounts.brightness, amounts.brightness) * 255.0
    grain = rng.uniform(-amounts.noise, amounts.noise) * 255.0
    top, left = int(rng.integers(_SPARE[0] + 1)), int(rng.integers(_SPARE[1] + 1))
    height, width = page.shape
    mean = float(page.mean())
    table = ((np.arange(256, dtype=np.float32) - mean) * contrast + mean + brightness).reshape(1, 256)
    shaded = cv2.LUT(page, table)
    sheet = _noise_sheet(height + _SPARE[0], width + _SPARE[1])[top : top + height, left : left + width]
    # One pass that also rounds to 8 bits and cuts off what is beyond black and white.
    return np.asarray(cv2.addWeighted(shaded, 1.0, sheet, grain, 0.0, dtype=cv2.CV_8U), np.uint8)


@lru_cache(maxsize=4)
def _noise_sheet(height: int, width: int) -> Field:
    """Normal noise, drawn once: a fresh sheet for every line would cost more than all else."""
    return np.random.default_rng([_STREAM, height, width]).standard_normal((height, width), dtype=np.float32)
