"""Measures the held-out lines at the end of each epoch; first in the list, as the others show what it finds."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import keras


class Evaluation(keras.callbacks.Callback):  # type: ignore[misc]
    """Adds `val/...`, the learning rate and the seconds of the epoch to the epoch's logs."""

    def __init__(self, validate: Callable[[], dict[str, float]], rate: Callable[[], float]) -> None:
        super().__init__()
        self._validate, self._rate = validate, rate
        self._started = 0.0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Start the epoch's clock."""
        self._started = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Measure."""
        trained = time.monotonic()
        logs.update(self._validate())
        logs["lr"] = self._rate()
        logs["seconds/train"] = trained - self._started
        logs["seconds/validation"] = time.monotonic() - trained
