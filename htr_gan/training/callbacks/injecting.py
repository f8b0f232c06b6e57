"""Failures on purpose, at the start of an epoch (`htr_gan.training.inject`)."""

from __future__ import annotations

from typing import Any

import keras

from htr_gan.training.inject import Injection
from htr_gan.training.progress import Progress


class Injecting(keras.callbacks.Callback):  # type: ignore[misc]
    """Lets the injection strike."""

    def __init__(self, injection: Injection, progress: Progress, batch: int) -> None:
        super().__init__()
        self._injection, self._progress, self._batch = injection, progress, batch

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Strike, if it is time."""
        self._injection.strike(self._progress.epochs_done + 1, self._batch, self.model)
