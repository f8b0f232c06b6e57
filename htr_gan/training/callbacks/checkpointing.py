"""Saves the complete state at the end of each epoch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras


class Checkpointing(keras.callbacks.Callback):  # type: ignore[misc]
    """After the history, so that a checkpoint holds the epoch it is named after."""

    def __init__(self, save: Callable[[], None]) -> None:
        super().__init__()
        self._save = save

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Save."""
        self._save()
