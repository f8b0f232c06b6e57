"""Character and word error rate of a corpus: all edits divided by all characters (words) of the transcriptions."""

from __future__ import annotations

from collections.abc import Sequence

from rapidfuzz.distance import Levenshtein


def character_error_rate(read: Sequence[str], texts: Sequence[str]) -> float:
    """Edits to make `read` into `texts`, as a fraction of the characters of `texts`; may exceed 1."""
    return _error_rate(list(read), list(texts))


def word_error_rate(read: Sequence[str], texts: Sequence[str]) -> float:
    """The same, by words."""
    return _error_rate([line.split() for line in read], [line.split() for line in texts])


def _error_rate(read: Sequence[Sequence[str]], texts: Sequence[Sequence[str]]) -> float:
    pairs = zip(read, texts, strict=True)
    length = sum(len(text) for text in texts)
    if length == 0:
        raise ValueError("an error rate needs transcriptions that are not empty")
    return sum(int(Levenshtein.distance(line, text)) for line, text in pairs) / length
