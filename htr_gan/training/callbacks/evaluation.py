"""Completes the measurements of each epoch; first in the list, as the others show what it finds."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import keras

from htr_gan.training.memory import peak_memory

KERAS_PREFIX, PREFIX = "val_", "val/"


class Evaluation(keras.callbacks.Callback):  # type: ignore[misc]
    """Adds error rates, the learning rate, seconds and memory to what the test steps measured."""

    def __init__(self, error_rates: Callable[[], dict[str, float]], rate: Callable[[], float]) -> None:
        super().__init__()
        self._error_rates, self._rate = error_rates, rate
        self._started = self._trained = 0.0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Start the epoch's clock."""
        self._started = time.monotonic()

    def on_test_begin(self, logs: Any = None) -> None:
        """The training part of the epoch is over."""
        self._trained = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Name the measurements as everywhere else, and add what is known only now."""
        for name in [name for name in logs if name.startswith(KERAS_PREFIX)]:
            logs[PREFIX + name.removeprefix(KERAS_PREFIX)] = logs.pop(name)
        logs.update(self._error_rates())
        logs["lr"] = self._rate()
        logs["seconds/train"] = self._trained - self._started
        logs["seconds/validation"] = time.monotonic() - self._trained
        logs.update(peak_memory())
