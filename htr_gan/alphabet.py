"""Letters and their numbers, used everywhere that text becomes labels or labels become text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

BLANK = 0
"""The CTC blank and the padding of texts; never a letter."""


@dataclass(frozen=True)
class Alphabet:
    """The letters a recogniser knows; letter number i has the label i + 1, blank is 0."""

    letters: str

    def __post_init__(self) -> None:
        if not self.letters or len(set(self.letters)) != len(self.letters):
            raise ValueError("an alphabet needs letters, each once")

    @cached_property
    def _labels(self) -> dict[str, int]:
        return {letter: label for label, letter in enumerate(self.letters, start=1)}

    @property
    def classes(self) -> int:
        """Outputs of the recogniser: the letters and the blank."""
        return len(self.letters) + 1

    @property
    def begin(self) -> int:
        """The label that starts each text of the discriminator, so that no row of it is ever empty."""
        return len(self.letters) + 1

    def unknown_letters(self, text: str) -> str:
        """The letters of `text` that have no label, sorted."""
        return "".join(sorted(set(text) - set(self.letters)))

    def encode(self, text: str) -> list[int]:
        """The labels of `text`; KeyError for a letter that is not in the alphabet."""
        return [self._labels[letter] for letter in text]

    def encode_padded(self, texts: Iterable[str], length: int) -> NDArray[np.int32]:
        """One right-padded row a text; ValueError if more than `length` of its letters have labels.

        Letters without a label are left out: whether a set may hold such letters at all is for `check_lines` to say.
        """
        rows = [[self._labels[letter] for letter in text if letter in self._labels] for text in texts]
        padded = np.zeros((len(rows), length), np.int32)
        for row, labels in zip(padded, rows, strict=True):
            if len(labels) > length:
                raise ValueError(f"a text of {len(labels)} letters does not fit in {length}")
            row[: len(labels)] = labels
        return padded

    def decode(self, labels: Iterable[int]) -> str:
        """The text of already collapsed labels; blanks and the begin label say nothing."""
        return "".join(self.letters[label - 1] for label in labels if 0 < label <= len(self.letters))


LOWERCASE = Alphabet(" abcdefghijklmnopqrstuvwxyz")
"""The letters of the tiny preset."""
