"""What time does to a page: fading, bleed-through, stains, blur, uneven paper, noise.

Each effect is a function of ink or paper in [0, 1] and a random generator; `strength` 0 leaves paper and fading only.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from htr_gan.data.render import Picture

Field = NDArray[np.float32]


def smooth_field(shape: tuple[int, int], low: float, high: float, rng: np.random.Generator) -> Field:
    """A slowly changing random field between `low` and `high`."""
    height, width = shape
    coarse = rng.uniform(low, high, size=(3, max(width // 32, 3))).astype(np.float32)
    return np.asarray(
        np.clip(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), low, high), np.float32
    )


def blur(field: Field, sigma: float) -> Field:
    """Gaussian blur; `sigma` in pixels, nothing below a tenth of one."""
    return field if sigma < 0.1 else np.asarray(cv2.GaussianBlur(field, (0, 0), sigma), np.float32)


def fade(ink: Field, rng: np.random.Generator) -> Field:
    """Ink that went pale in places."""
    return ink * smooth_field((ink.shape[0], ink.shape[1]), 0.15, 1.0, rng)


def bleed_through(verso: Field, strength: float, rng: np.random.Generator) -> Field:
    """The mirrored writing of the other side, as ink on this side."""
    soaked = blur(np.ascontiguousarray(verso[:, ::-1]), rng.uniform(0.8, 1.6))
    return soaked * np.float32(rng.uniform(0.2, 0.5) * strength)


def stains(shape: tuple[int, int], strength: float, rng: np.random.Generator) -> Field:
    """One to three soft dark spots, as a share of light taken away."""
    height, width = shape
    spots = np.zeros(shape, np.float32)
    for _ in range(int(rng.integers(1, 4))):
        spot = np.zeros(shape, np.float32)
        centre = (int(rng.integers(width)), int(rng.integers(height)))
        axes = (int(rng.integers(height // 4, height * 2)), int(rng.integers(height // 6, height)))
        cv2.ellipse(spot, centre, axes, float(rng.uniform(0, 180)), 0, 360, rng.uniform(0.15, 0.45) * strength, -1)
        spots = np.maximum(spots, blur(spot, rng.uniform(1.0, 4.0)))
    return spots


def add_noise(page: Field, strength: float, rng: np.random.Generator) -> Field:
    """Grain of the sensor and single dead pixels."""
    grain = rng.standard_normal(page.shape, dtype=np.float32) * np.float32(rng.uniform(0.03, 0.10) * strength)
    page = page + grain
    hits = rng.random(page.shape, dtype=np.float32)
    share = np.float32(0.004 * strength / 2)
    page[hits < share] = 0.0
    page[hits > 1 - share] = 1.0
    return page


def degrade(clean: Picture, verso: Picture, strength: float, rng: np.random.Generator) -> Picture:
    """`clean` as an old page whose other side holds `verso`."""
    shape = (clean.shape[0], clean.shape[1])
    ink = fade(1.0 - clean.astype(np.float32) / 255.0, rng)
    ink = np.maximum(ink, bleed_through(1.0 - verso.astype(np.float32) / 255.0, strength, rng))
    ink = blur(ink, rng.uniform(0.3, 1.1) * strength)
    paper = smooth_field(shape, 0.7, 1.0, rng) * (1.0 - stains(shape, strength, rng))
    page = add_noise(paper * (1.0 - ink), strength, rng)
    return (np.clip(page, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
