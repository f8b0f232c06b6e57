"""Texts for rendered lines from the user's own files: a text a line, or words with their counts."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from htr_gan.errors import DataError, MissingFileError

HELD_OUT_EVERY = 10
"""Every so many-th text of a file is for lines that are not trained on, so that no text is on both sides."""
WORD_COLUMN, COUNT_COLUMN = "word", "count"


@dataclass(frozen=True)
class TextSource:
    """What texts are drawn from."""

    training: tuple[str, ...]
    others: tuple[str, ...]
    """Texts of lines that are not trained on; a list of words has the same for both."""
    ends: NDArray[np.float64] | None
    """Sums of the shares of all words up to each one; None for texts, which are all equally likely."""
    letters: str
    """All letters that occur, sorted."""

    def sample(self, rng: np.random.Generator, longest: int, *, trains: bool) -> str:
        """A text of at most `longest` letters."""
        if self.ends is None:
            texts = self.training if trains else self.others
            return _run_of_words(texts[int(rng.integers(len(texts)))], longest, rng)
        return self._words(rng, longest)

    def _words(self, rng: np.random.Generator, longest: int) -> str:
        """Words by their shares, joined by spaces."""
        assert self.ends is not None
        goal = int(rng.integers(max(longest // 2, 1), longest + 1))
        words: list[str] = []
        length = 0
        while True:
            word = self.training[min(int(np.searchsorted(self.ends, rng.random(), side="right")), len(self.ends) - 1)]
            grown = length + len(word) + (1 if words else 0)
            if grown > goal:
                return " ".join(words) if words else word[:longest].strip()
            words.append(word)
            length = grown


def _run_of_words(text: str, longest: int, rng: np.random.Generator) -> str:
    """The text itself if it is short enough, else some of its words in a row."""
    if len(text) <= longest:
        return text
    words = text.split(" ")
    first = int(rng.integers(len(words)))
    taken, length = [words[first]], len(words[first])
    for word in words[first + 1 :]:
        if length + 1 + len(word) > longest:
            break
        taken.append(word)
        length += 1 + len(word)
    return " ".join(taken)[:longest].strip()


@lru_cache(maxsize=2)
def load_texts(path: str) -> TextSource:
    """The texts in a file: MissingFileError or DataError says what is wrong with it.

    A file whose first row is `word`, a tab and `count` holds words and how often they occur; any other holds a text a
    line. Texts are brought to Unicode's composed form, runs of white space become one space.
    """
    rows = _read_rows(Path(path))
    header = rows[0].split("\t") if rows else []
    if header[:1] == [WORD_COLUMN] and COUNT_COLUMN in header:
        words, counts = _read_words(path, rows[1:], header.index(COUNT_COLUMN))
        return TextSource(words, words, np.cumsum(counts) / np.sum(counts), _letters((*words, " ")))
    texts = tuple(text for text in (_tidied(row) for row in rows) if text)
    if not texts:
        raise DataError(f"{path}: no texts", "data.texts should be a text file with a text on each line")
    others = texts[HELD_OUT_EVERY - 1 :: HELD_OUT_EVERY] or texts
    training = tuple(text for number, text in enumerate(texts, start=1) if number % HELD_OUT_EVERY) or texts
    return TextSource(training, others, None, _letters(texts))


@lru_cache(maxsize=2)
def texts_fingerprint(path: str) -> str:
    """SHA-256 of the file, so that other texts give another set of lines."""
    return hashlib.sha256(_read_bytes(Path(path))).hexdigest()


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise MissingFileError(path, "data.texts: a text file, or words.tsv") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read", error.strerror or str(error)) from error


def _read_rows(path: Path) -> list[str]:
    try:
        return _read_bytes(path).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text", f"at byte {error.start}; save it as UTF-8") from error


def _tidied(text: str) -> str:
    """Composed, without control characters, with single spaces."""
    spaced = " ".join(unicodedata.normalize("NFC", text).split())
    return "".join(letter for letter in spaced if unicodedata.category(letter)[0] != "C").strip()


def _read_words(path: str, rows: list[str], column: int) -> tuple[tuple[str, ...], list[float]]:
    words, counts = [], []
    for number, row in enumerate(rows, start=2):
        cells = row.split("\t")
        word = _tidied(cells[0])
        if not row.strip():
            continue
        try:
            count = float(cells[column])
        except (IndexError, ValueError):
            raise DataError(
                f"{path}: line {number} has no count", f"found {row!r}; word, tab, number expected"
            ) from None
        if not 0 <= count < float("inf"):
            raise DataError(f"{path}: line {number} has the count {cells[column]!r}", "0 or more is possible")
        if word and count > 0:
            words.append(word)
            counts.append(count)
    if not words:
        raise DataError(f"{path}: no words", "each line after the first: word, tab, count")
    return tuple(words), counts


def _letters(texts: Iterable[str]) -> str:
    return "".join(sorted(set().union(*texts)))
