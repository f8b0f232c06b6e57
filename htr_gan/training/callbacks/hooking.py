"""Tells the user's hooks what happens within an epoch."""

from __future__ import annotations

from typing import Any

import keras

from htr_gan.training.hooks import EpochRecord, Hooks
from htr_gan.training.progress import Progress


class Hooking(keras.callbacks.Callback):  # type: ignore[misc]
    """One for each place in the list of callbacks: after the measurements (`validation_end`) and last (`epoch_end`)."""

    def __init__(self, hooks: Hooks, occasion: str, progress: Progress, epochs: int) -> None:
        super().__init__()
        self._hooks, self._occasion, self._progress, self._epochs = hooks, occasion, progress, epochs

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """The last one in the list tells that everything is ready for an epoch."""
        if self._occasion == "epoch_end":
            self._tell("epoch_begin", epoch, {})

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Tell."""
        self._tell(self._occasion, epoch, {name: float(value) for name, value in logs.items()})

    def _tell(self, occasion: str, epoch: int, values: dict[str, float]) -> None:
        best = self._progress.best_epoch
        self._hooks.call(occasion, lambda: EpochRecord(epoch + 1, self._epochs, dict(values), best))
