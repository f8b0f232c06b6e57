"""Character and word error rate of a corpus: all edits divided by all characters (words) of the transcriptions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein

Counts = NDArray[np.int64]


def character_error_rate(read: Sequence[str], texts: Sequence[str]) -> float:
    """Edits to make `read` into `texts`, as a fraction of the characters of `texts`; may exceed 1."""
    return _error_rate(*character_counts(read, texts))


def word_error_rate(read: Sequence[str], texts: Sequence[str]) -> float:
    """The same, by words."""
    return _error_rate(*word_counts(read, texts))


def character_counts(read: Sequence[str], texts: Sequence[str]) -> tuple[Counts, Counts]:
    """Edits and characters of each line, from which rates and their intervals are made."""
    return _counts(list(read), list(texts))


def word_counts(read: Sequence[str], texts: Sequence[str]) -> tuple[Counts, Counts]:
    """Edits and words of each line."""
    return _counts([line.split() for line in read], [line.split() for line in texts])


def _counts(read: Sequence[Sequence[str]], texts: Sequence[Sequence[str]]) -> tuple[Counts, Counts]:
    edits = [int(Levenshtein.distance(line, text)) for line, text in zip(read, texts, strict=True)]
    return np.asarray(edits, np.int64), np.asarray([len(text) for text in texts], np.int64)


def _error_rate(edits: Counts, lengths: Counts) -> float:
    total = int(lengths.sum())
    if total == 0:
        raise ValueError("an error rate needs transcriptions that are not empty")
    return int(edits.sum()) / total
