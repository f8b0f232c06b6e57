"""Task `recognizer` from a trained recogniser on: its weights, a fresh optimizer, and perhaps another alphabet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from htr_gan.alphabet import Alphabet
from htr_gan.errors import DataError
from htr_gan.training.checkpoint_folder import Arrays
from htr_gan.training.recogniser_task import RecogniserTask
from htr_gan.training.stepped import learned_variables

OUTPUT = "rec_logits/"
"""What the names of the output layer's variables begin with; their last axis is the class."""


class Source(Protocol):
    """What is needed of a trained recogniser (`htr_gan.training.shared_recogniser.StoredRecogniser`)."""

    @property
    def folder(self) -> Path:
        """Where it lies."""

    @property
    def cer(self) -> float:
        """How well it reads its own held-out lines."""

    @property
    def alphabet(self) -> Alphabet:
        """Its letters."""


def start_from(stored: Source, arrays: Arrays, task: RecogniserTask, note: Callable[[str], None]) -> None:
    """Give the task's network the weights `arrays` of `stored`; DataError if the network is another one."""
    network = task.model.recogniser
    _check_same_network(stored, arrays, network, task.alphabet)
    for variable in learned_variables(network):
        array = arrays[variable.path]
        if variable.path.startswith(OUTPUT):
            array = carry_over(array, np.asarray(variable.numpy()), stored.alphabet, task.alphabet)
        variable.assign(array)
    note(f"weights of {stored.folder}, CER {stored.cer:.1%}; the optimizer starts afresh")
    if stored.alphabet != task.alphabet:
        note(describe_difference(stored.alphabet, task.alphabet))


def _check_same_network(stored: Source, arrays: dict[str, Any], network: Any, alphabet: Alphabet) -> None:
    for variable in learned_variables(network):
        name, wanted = variable.path, tuple(variable.shape)
        if name.startswith(OUTPUT):
            wanted = (*wanted[:-1], stored.alphabet.classes)
        found = arrays[name].shape if name in arrays else None
        if found != wanted:
            raise DataError(
                f"init: the recogniser in {stored.folder} is another network",
                f"first difference: {name} is {found} there and {tuple(variable.shape)} here",
                "use the same data.height, data.width and model as it was trained with, or start without init",
            )


def carry_over(
    theirs: NDArray[np.float32], fresh: NDArray[np.float32], old: Alphabet, new: Alphabet
) -> NDArray[np.float32]:
    """Output weights [..., classes] for `new`: blank and shared letters from `theirs`, other letters as in `fresh`."""
    weights = fresh.copy()
    weights[..., 0] = theirs[..., 0]
    for label, letter in enumerate(new.letters, start=1):
        if letter in old.letters:
            weights[..., label] = theirs[..., old.letters.index(letter) + 1]
    return weights


def describe_difference(old: Alphabet, new: Alphabet) -> str:
    """What changes for whoever reads with the new recogniser."""
    shared = [letter for letter in new.letters if letter in old.letters]
    text = f"letters carried over: {len(shared)} of {len(new.letters)}"
    if fresh := old.unknown_letters(new.letters):
        text += f"; start afresh: {fresh!r}"
    if gone := new.unknown_letters(old.letters):
        text += f"; no longer read: {gone!r}"
    return text
