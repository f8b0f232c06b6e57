"""From the probabilities of a line to text with confidences.

The greedy path takes the most likely label of each time step. A character's confidence is the highest probability that
its label reaches in its run of steps; a line's confidence is the geometric mean of those of its characters. A line in
which nothing is read has the geometric mean of its blanks. Confidences say how sure the network is, not how often it is
right: they are not calibrated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from htr_gan.alphabet import BLANK, Alphabet

Floats = NDArray[np.float32]
_SMALLEST = 1e-12


@dataclass(frozen=True)
class Reading:
    """What was read in one line."""

    text: str
    confidence: float
    characters: tuple[tuple[str, float], ...]
    """Each letter with its own confidence."""

    def record(self) -> dict[str, Any]:
        """As JSON, rounded to what is meaningful."""
        characters = [{"character": letter, "confidence": round(value, 4)} for letter, value in self.characters]
        return {"text": self.text, "confidence": round(self.confidence, 4), "characters": characters}


def read_line(logits: Floats, alphabet: Alphabet) -> Reading:
    """The greedy reading of one line's logits [steps, classes]."""
    probabilities = _softmax(logits)
    labels = probabilities.argmax(axis=1)
    best = probabilities.max(axis=1)
    characters: list[tuple[str, float]] = []
    before = BLANK
    for label, probability in zip(labels.tolist(), best.tolist(), strict=True):
        if label == BLANK or label > len(alphabet.letters):
            before = BLANK
            continue
        if label == before:
            characters[-1] = (characters[-1][0], max(characters[-1][1], probability))
        else:
            characters.append((alphabet.letters[label - 1], probability))
        before = label
    sure = [value for _, value in characters] or best.tolist()
    return Reading("".join(letter for letter, _ in characters), geometric_mean(sure), tuple(characters))


def geometric_mean(values: list[float]) -> float:
    """Of probabilities; 0 of none at all."""
    if not values:
        return 0.0
    return math.exp(sum(math.log(max(value, _SMALLEST)) for value in values) / len(values))


def _softmax(logits: Floats) -> NDArray[np.float64]:
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    powers = np.exp(shifted)
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float64)
