"""What every reader of a source yields, and what it is given."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from htr_gan.alphabet import Alphabet
from htr_gan.data.sources.faults import FaultKind, Faults

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class SourceLine:
    """One line as its source has it."""

    name: str
    """Unique within the source."""
    picture: Picture
    """[height, width], grayscale, dark ink on light paper; the clean one where there are two."""
    text: str
    split: str | None = None
    """`train`, `held-out` or `test` where the source says so."""
    degraded: Picture | None = None
    page: str | None = None
    """Lines of one page never come into two splits."""
    measures: Mapping[str, float] = field(default_factory=dict)
    """Numbers that `data.select` may ask for."""


@dataclass(frozen=True)
class Reading:
    """What a reader is given beside its path."""

    faults: Faults
    """Takes the lines that cannot be read."""
    label: str = ""
    """A short name of the source, put before the names of its lines."""
    charset: Alphabet | None = None
    """Needed where a source holds numbers in place of letters."""
    height: int = 64
    """The height that lines are scaled to; where lines are cut from pages they are cut at this height."""
    note: Callable[[str], None] = lambda _message: None

    def fault(self, kind: FaultKind, name: str, detail: str = "") -> None:
        """Remember that the line `name` of this source cannot be used."""
        self.faults.add(kind, f"{self.label}/{name}" if self.label else name, detail)


Reader = Callable[[Path, Reading], Iterator[SourceLine]]


def tidy_text(text: str) -> str:
    """One line in NFC without white space around it; runs of white space count as one space."""
    return " ".join(unicodedata.normalize("NFC", text).split())
