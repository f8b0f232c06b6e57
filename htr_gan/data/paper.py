"""Strips of real paper without writing, as the background under ink."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from htr_gan.data.render import Picture
from htr_gan.errors import DataError, MissingFileError

Field = NDArray[np.float32]

LOUDEST = 1.3
"""Texture of a strip is multiplied by up to this, or divided."""
DARKEST_MEDIAN = 60
"""Darker strips are hardly paper: ink could not be seen on them."""
SMALLEST = 16
"""Strips with fewer pixels than this in either direction cannot be tiled without a visible pattern."""


def _strip_files(folder: str) -> list[Path]:
    files = sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() == ".png" and path.is_file())
    if not files:
        raise MissingFileError(Path(folder) / "*.png", "data.paper should be a folder with strips of paper")
    return files


@lru_cache(maxsize=4)
def load_strips(folder: str) -> tuple[Picture, ...]:
    """All strips below `folder` in the order of their names; MissingFileError, or DataError for one that is no picture.

    Strips that are too small or too dark to write on are left out; DataError if none is left.
    """
    strips = []
    for file in _strip_files(folder):
        strip = cv2.imdecode(np.frombuffer(file.read_bytes(), np.uint8), cv2.IMREAD_GRAYSCALE)
        if strip is None:
            raise DataError(f"{file}: not a picture", "data.paper should hold PNG strips of paper without writing")
        if min(strip.shape) >= SMALLEST and np.median(strip) >= DARKEST_MEDIAN:
            strips.append(np.asarray(strip, np.uint8))
    if not strips:
        raise DataError(f"{folder}: no usable strip of paper", f"at least {SMALLEST} pixels, not nearly black")
    return tuple(strips)


@lru_cache(maxsize=4)
def strips_fingerprint(folder: str) -> str:
    """SHA-256 over the names and bytes of the strips, so that other paper gives another set of lines."""
    digest = hashlib.sha256()
    for file in _strip_files(folder):
        digest.update(file.relative_to(folder).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def place_strip(strips: tuple[Picture, ...], height: int, width: int, amount: float, rng: np.random.Generator) -> Field:
    """Real paper as light in [0, 1] [height, width]: a strip at the line's scale, mirrored on where it is too short.

    `amount` is how far tone and texture differ from white; texture varies in loudness from line to line.
    """
    strip = strips[int(rng.integers(len(strips)))]
    zoom = height / strip.shape[0] * rng.uniform(1.0, 1.25)
    strip = cv2.resize(strip, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_LINEAR)
    flips = rng.integers(2, size=2)
    strip = strip[:: -1 if flips[0] else 1, :: -1 if flips[1] else 1]
    top = int(rng.integers(max(strip.shape[0] - height, 0) + 1))
    left = int(rng.integers(2 * strip.shape[1]))
    period = np.concatenate([strip, strip[:, ::-1]], axis=1)  # its two ends meet without a seam
    rows = period[top : top + height]
    # `height` rows even where rounding left one too few
    rows = cv2.copyMakeBorder(rows, 0, height - rows.shape[0], 0, 0, cv2.BORDER_REPLICATE)
    columns = (np.arange(width) + left) % period.shape[1]
    light = rows[:, columns].astype(np.float32) / np.float32(255.0)
    tone = np.float32(np.median(light))
    loud = np.float32(LOUDEST ** rng.uniform(-1.0, 1.0))
    light = tone + (light - tone) * loud
    return np.asarray(np.clip(1.0 - (1.0 - light) * np.float32(amount), 0.0, 1.0), np.float32)
