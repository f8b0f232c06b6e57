"""Keeps the values of every epoch: in memory for the checkpoint, as `history.json` and `metrics.csv` for people."""

from __future__ import annotations

import csv
from io import StringIO
from pathlib import Path
from typing import Any

import keras

from htr_gan.expression import Expression
from htr_gan.files import write_atomic, write_json
from htr_gan.training.progress import Progress

NAME, TABLE = "history.json", "metrics.csv"


class History(keras.callbacks.Callback):  # type: ignore[misc]
    """Ends the epoch in `Progress`; callbacks after it see the epoch as done."""

    def __init__(self, progress: Progress, score: Expression, folder: Path) -> None:
        super().__init__()
        self._progress, self._score, self._folder = progress, score, folder

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Take the values."""
        values = {name: float(value) for name, value in logs.items()}
        self._progress.finish_epoch(values, self._score(values))
        self._progress.best_formula = self._score.text
        record = {"best_epoch": self._progress.best_epoch, "epochs": self._progress.history}
        write_json(self._folder / NAME, record)
        write_atomic(self._folder / TABLE, as_table(self._progress.history).encode())


def as_table(history: list[dict[str, Any]]) -> str:
    """One row an epoch as CSV; a value that an epoch does not have (it came later) is empty."""
    names = list(dict.fromkeys(name for epoch in history for name in epoch["values"]))
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["epoch", "step", *names])
    for epoch in history:
        writer.writerow([epoch["epoch"], epoch["step"], *(epoch["values"].get(name, "") for name in names)])
    return text.getvalue()
