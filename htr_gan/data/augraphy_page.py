"""Damage by the package augraphy, an optional extra: photocopier dirt, ink that bleeds, lines without ink, texture.

Its augmentations draw from the global generators of Python, NumPy and OpenCV. These are seeded for each line and put
back afterwards, under a lock. Augmentations whose result differs for equal seeds (BadPhotoCopy) or that need longer than
a tenth of a second a line are left out.
"""

from __future__ import annotations

import importlib.util
import random
import threading
from typing import Any

import cv2
import numpy as np

from htr_gan.data.render import Picture
from htr_gan.errors import MissingFileError

CHOICES = (
    ("InkBleed", 0.5),
    ("LowInkRandomLines", 0.3),
    ("DirtyDrum", 0.2),
    ("NoiseTexturize", 0.3),
    ("BrightnessTexturize", 0.4),
    ("SubtleNoise", 0.5),
)
"""Augmentations in their order, each with its probability."""

_lock = threading.Lock()


def check_augraphy() -> None:
    """MissingFileError that names the extra if the package is not installed."""
    if importlib.util.find_spec("augraphy") is None:
        raise MissingFileError(
            "augraphy", "data.augraphy needs an optional package", "pip install 'htr-tui[train,augraphy]'"
        )


def augraphy_version() -> str:
    """The installed version, as other versions give other bytes."""
    check_augraphy()
    from importlib.metadata import version

    return version("augraphy")


def augraphy_page(page: Picture, rng: np.random.Generator) -> Picture:
    """`page` with some of `CHOICES`; a function of the page and of what `rng` gives next."""
    draws, seeds = rng.random(len(CHOICES)), rng.integers(2**31, size=len(CHOICES))
    for (name, probability), draw, seed in zip(CHOICES, draws, seeds.tolist(), strict=True):
        if draw < probability:
            page = _applied(name, page, int(seed))
    return page


def _applied(name: str, page: Picture, seed: int) -> Picture:
    """One augmentation under its own seed; of another size or without a result, the page stays."""
    import augraphy

    with _lock:
        python_state, numpy_state = random.getstate(), np.random.get_state()
        try:
            random.seed(seed)
            np.random.seed(seed)
            cv2.setRNGSeed(seed)
            # Some of its parameters are drawn when it is made, so it is made anew for each line.
            result: Any = getattr(augraphy, name)(p=1)(page.copy())
        finally:
            random.setstate(python_state)
            np.random.set_state(numpy_state)
    if not isinstance(result, np.ndarray) or result.shape[:2] != page.shape:
        return page
    grey = result if result.ndim == 2 else cv2.cvtColor(result, cv2.COLOR_BGR2GRAY)
    return np.asarray(np.clip(grey, 0, 255), np.uint8)
