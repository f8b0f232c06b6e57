"""Clean and degraded lines for a GAN: a degraded side that is missing is made, once or anew in every pass."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from htr_gan.config.data_section import DataConfig
from htr_gan.data.cache import TRAIN, Note, load_lines
from htr_gan.data.damage import Damage, damage_of
from htr_gan.data.degrade import degrade
from htr_gan.data.flatten import flatten_paper
from htr_gan.data.lines import LineSet
from htr_gan.data.live import LivePictures
from htr_gan.data.paper import load_strips
from htr_gan.data.render import Picture
from htr_gan.data.sources.settings import COLUMNS_PER_STEP

_STREAM = 0x646567
"""Keeps these draws apart from those that render and augment under the same seed."""
_VERSO, _DAMAGE, _MORE_DAMAGE = range(3)
_PART = 16
"""Lines between two looks at whether the user wants to stop."""


@dataclass(frozen=True)
class DegradedLines:
    """The lines of a set, degraded otherwise in every pass; the other side of a line is another line of the set."""

    clean: NDArray[np.uint8]
    damage: Damage
    seed: int
    split: str

    @property
    def size(self) -> tuple[int, int]:
        """That of the lines."""
        return self.clean.shape[1], self.clean.shape[2]

    def visit(self, index: int, number: int) -> Picture:
        """Line `index` as it comes in pass `number`."""
        verso, rng, more = (self._generator(number, index, stream) for stream in (_VERSO, _DAMAGE, _MORE_DAMAGE))
        lines = len(self.clean)
        other = (index + 1 + int(verso.integers(lines - 1))) % lines if lines > 1 else index
        return degrade(self.clean[index], self.clean[other], self.damage, rng, more)

    def _generator(self, number: int, index: int, stream: int) -> np.random.Generator:
        split = int.from_bytes(self.split.encode()[:8], "big")
        return np.random.default_rng([self.seed, _STREAM, split, number, index, stream])


def live_degraded(train: LineSet, data: DataConfig) -> Mapping[str, LivePictures]:
    """The live column `degraded` for training lines without a degraded side; none for lines that have one."""
    return {} if train.degraded is not None else live_pictures(train.clean, data)


def live_pictures(clean: NDArray[np.uint8], data: DataConfig) -> Mapping[str, LivePictures]:
    """Training lines degraded as the configuration says, in every pass otherwise."""
    return {"degraded": DegradedLines(clean, damage_of(data), data.seed, TRAIN)}


def load_pairs(
    data: DataConfig,
    split: str,
    cache: Path,
    check: Callable[[], None],
    note: Note,
    *,
    columns_per_step: int = COLUMNS_PER_STEP,
) -> LineSet:
    """The lines of a split for a GAN.

    `degraded` is None only for training lines that `live_degraded` is to degrade in every pass. Held-out lines have
    one fixed degraded side. Imported lines without degraded pictures are brought onto white paper first.
    """
    if data.paper is not None:
        load_strips(str(data.paper))  # a missing folder should be said before anything is made
    live = split == TRAIN and data.degrade == "every_pass"
    rendered = data.path is None and not data.sources
    lines = load_lines(
        data, split, cache, check, note, degraded=not (live and rendered), columns_per_step=columns_per_step
    )
    if live and lines.degraded is not None:
        note("data.degrade is every_pass: the degraded pictures of the training lines are not used")
        return replace(lines, degraded=None)
    if lines.degraded is not None or rendered:
        return lines
    if lines.imported and data.flatten is not False:
        note(f"bringing {len(lines)} {split} lines onto white paper")
        lines = on_white_paper(lines, check)
    if live:
        return lines
    note(f"degrading {len(lines)} {split} lines")
    once = DegradedLines(lines.clean, damage_of(data), data.seed, split)
    return replace(lines, degraded=_each(lines.clean, lambda index: once.visit(index, 0), check))


def on_white_paper(lines: LineSet, check: Callable[[], None]) -> LineSet:
    """The same lines with their clean side flattened."""
    return replace(lines, clean=_each(lines.clean, lambda index: flatten_paper(lines.clean[index]), check))


def _each(like: NDArray[np.uint8], make: Callable[[int], Picture], check: Callable[[], None]) -> NDArray[np.uint8]:
    """`make` of every index, by a few threads: OpenCV and NumPy let each other work."""
    made = np.empty_like(like)

    def part(start: int) -> None:
        for index in range(start, min(start + _PART, len(like))):
            made[index] = make(index)

    cv2.setNumThreads(1)
    with ThreadPoolExecutor(max_workers=min(os.cpu_count() or 1, 8)) as threads:
        futures = [threads.submit(part, start) for start in range(0, len(like), _PART)]
        try:
            for future in futures:
                check()
                future.result()
        except BaseException:
            threads.shutdown(cancel_futures=True)
            raise
    return made
