"""Real degraded lines without a clean side, joined to the pairs that a GAN trains on.

What stands in for their clean side is their own picture on white paper: good enough to keep strokes where they are, not good
enough to learn a look from. What they teach is the transcription, through the frozen recogniser.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from htr_gan.config.data_section import DataConfig
from htr_gan.config.unpaired_section import UnpairedConfig
from htr_gan.data.cache import Note, load_lines
from htr_gan.data.lines import LineSet
from htr_gan.data.live import LivePictures
from htr_gan.data.pairs import on_white_paper
from htr_gan.data.render import Picture
from htr_gan.data.sources.settings import COLUMNS_PER_STEP


@dataclass(frozen=True)
class UnpairedLines:
    """Training and held-out lines; `degraded` is what was found, `clean` the same on white paper."""

    train: LineSet
    held_out: LineSet


def load_unpaired(
    unpaired: UnpairedConfig,
    data: DataConfig,
    split: str,
    cache: Path,
    check: Callable[[], None],
    note: Note,
    *,
    columns_per_step: int = COLUMNS_PER_STEP,
) -> LineSet:
    """The lines of a split, in the size of the pairs."""
    wanted = {"path": None, "charset": None, **unpaired.model_dump()}
    lines = load_lines(
        data.model_copy(update=wanted), split, cache, check, note, degraded=False, columns_per_step=columns_per_step
    )
    found = lines.clean if lines.degraded is None else lines.degraded
    return replace(on_white_paper(replace(lines, clean=found), check), degraded=found)


@dataclass(frozen=True)
class ThenStored:
    """A live column whose last lines are pictures that never change."""

    live: LivePictures
    first: int
    """Number of the first stored line."""
    stored: NDArray[np.uint8]

    @property
    def size(self) -> tuple[int, int]:
        """That of the lines."""
        return self.live.size

    def visit(self, index: int, number: int) -> Picture:
        """A live picture, or a stored one."""
        return self.stored[index - self.first] if index >= self.first else self.live.visit(index, number)


def join_live(live: Mapping[str, LivePictures], pairs: LineSet, unpaired: LineSet | None) -> Mapping[str, LivePictures]:
    """The live columns of the pairs, going on with the unpaired lines."""
    if unpaired is None or unpaired.degraded is None:
        return live
    return {name: ThenStored(pictures, len(pairs), unpaired.degraded) for name, pictures in live.items()}


def join_lines(pairs: LineSet, unpaired: LineSet | None) -> LineSet:
    """Pairs first, then unpaired lines; `degraded` stays None where the pairs' is made live."""
    if unpaired is None:
        return pairs
    degraded = None
    if pairs.degraded is not None and unpaired.degraded is not None:
        degraded = np.concatenate([pairs.degraded, unpaired.degraded])
    return LineSet(
        np.concatenate([pairs.clean, unpaired.clean]),
        degraded,
        (*pairs.texts, *unpaired.texts),
        pairs.alphabet,
        (*pairs.names, *unpaired.names) if pairs.names and unpaired.names else None,
        imported=True,
    )
