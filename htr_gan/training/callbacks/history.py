"""Keeps the values of every epoch, in memory for the checkpoint and as `history.json` for people."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from htr_gan.files import write_json
from htr_gan.training.progress import Progress

NAME = "history.json"


class History(keras.callbacks.Callback):  # type: ignore[misc]
    """Ends the epoch in `Progress`; callbacks after it see the epoch as done."""

    def __init__(self, progress: Progress, score: Callable[[dict[str, float]], float], folder: Path) -> None:
        super().__init__()
        self._progress, self._score, self._folder = progress, score, folder

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Take the values."""
        values = {name: float(value) for name, value in logs.items()}
        self._progress.finish_epoch(values, self._score(values))
        record = {"best_epoch": self._progress.best_epoch, "epochs": self._progress.history}
        write_json(self._folder / NAME, record)
