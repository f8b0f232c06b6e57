"""Kinds of damage beyond the first release's: pale ink, texture of paper, shadows, strokes of other lines, JPEG.

Each takes and returns ink or light in [0, 1], float32 [height, width]; an amount of 0 changes nothing.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]

JPEG_SHARE = 1 / 3
"""Lines that come from a badly compressed file, at amount 1."""
_MOTTLES = ((1.0, 0.45), (3.0, 0.55), (9.0, 0.7))
"""Sizes of the paper's mottles in pixels at 48 rows, and how much of the texture each is."""


def pale(ink: Field, light: float, contrast: tuple[float, float], amount: float, rng: np.random.Generator) -> Field:
    """Ink whose darkest stroke is only so much darker than paper of lightness `light`.

    The contrast is drawn on a logarithmic scale: faint ink is where restoration matters.
    """
    wanted = float(np.exp(rng.uniform(np.log(contrast[0]), np.log(contrast[1]))))
    opacity = min(wanted / max(light, 0.05), 1.0)
    return ink if amount == 0 else ink * np.float32(opacity**amount)


def mottling(shape: tuple[int, int], amount: float, rng: np.random.Generator) -> Field:
    """Texture of paper at three sizes, with mean 0; `amount` is about its standard deviation."""
    height, width = shape
    total = np.zeros(shape, np.float32)
    for size, share in _MOTTLES:
        step = max(size * height / 48.0, 1.0)
        coarse = rng.standard_normal((int(height / step) + 2, int(width / step) + 2), dtype=np.float32)
        total += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC) * np.float32(share)
    return total * np.float32(amount)


def shadow(shape: tuple[int, int], amount: float, rng: np.random.Generator) -> Field:
    """Light that falls off towards one side, and on some lines the dark band of a fold at the left or right end."""
    height, width = shape
    angle, depth = rng.uniform(0, 2 * np.pi), rng.uniform(0.0, 0.25) * amount
    fold, side, reach, dark = rng.random(), rng.random(), rng.uniform(0.5, 3.0), rng.uniform(0.05, 0.35) * amount
    x = np.linspace(-0.5, 0.5, width, dtype=np.float32)
    y = np.linspace(-0.5, 0.5, height, dtype=np.float32)[:, None]
    ramp = 0.5 + (x * np.float32(np.cos(angle)) + y * np.float32(np.sin(angle))) / np.float32(np.sqrt(2))
    light = 1.0 - np.float32(depth) * ramp * ramp * (3.0 - 2.0 * ramp)
    if fold < 0.25:
        away = (x + 0.5 if side < 0.5 else 0.5 - x) * np.float32(width / (reach * height))
        light = light * (1.0 - np.float32(dark) * np.exp(-away * 3.0))
    return np.clip(light, 0.05, 1.0).astype(np.float32)


def neighbours(other: Field, amount: float, rng: np.random.Generator) -> Field:
    """Ends of descenders of a line above and of ascenders of a line below, as ink; taken from another line."""
    height, width = other.shape
    ink = np.zeros_like(other)
    written = np.flatnonzero(other.max(axis=1) > 0.3)
    draws = rng.random(2)
    depths = rng.uniform(0.03, 0.16, size=2) * height
    rolls = rng.integers(width, size=2)
    if len(written) and draws[0] < 0.4 * amount:
        rows = other[max(written[-1] + 1 - int(depths[0]), 0) : written[-1] + 1]
        ink[: len(rows)] = np.roll(rows, int(rolls[0]), axis=1)
    if len(written) and draws[1] < 0.4 * amount:
        rows = other[written[0] : written[0] + int(depths[1])]
        ink[height - len(rows) :] = np.maximum(ink[height - len(rows) :], np.roll(rows, int(rolls[1]), axis=1))
    return ink


def blocks(page: NDArray[np.uint8], amount: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The page after a low-quality JPEG file, on `JPEG_SHARE` of the lines; OpenCV's own encoder makes the blocks."""
    chance, quality = rng.random(), round(float(np.clip(92 - rng.uniform(10, 60) * max(amount, 0.0), 5, 95)))
    if amount == 0 or chance >= JPEG_SHARE * min(amount, 2.0):
        return page
    done, encoded = cv2.imencode(".jpg", page, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE) if done else None
    return page if decoded is None else np.asarray(decoded, np.uint8)
