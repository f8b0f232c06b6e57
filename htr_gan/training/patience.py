"""Waiting for something to get better: what early stopping and the schedule `plateau` have in common."""

from __future__ import annotations

import math
from typing import Any, Literal

from htr_gan.expression import Expression


class Patience:
    """Counts the epochs since `formula` was last better; its memory is plain data for `Progress`."""

    def __init__(self, formula: Expression, mode: Literal["max", "min"], min_delta: float, patience: int) -> None:
        self.formula, self.patience = formula, patience
        self._sign = 1.0 if mode == "max" else -1.0
        self._min_delta = min_delta
        self.best: float | None = None
        """The best value so far; None before the first that is a number."""
        self.waited = 0
        """Epochs since then."""

    @property
    def is_exhausted(self) -> bool:
        """No improvement for as many epochs as allowed."""
        return self.waited >= self.patience

    def see(self, values: dict[str, float]) -> None:
        """Take the values of an epoch; a value that is not finite is no improvement."""
        value = self.formula(values)
        is_better = self.best is None or self._sign * (value - self.best) > self._min_delta
        if math.isfinite(value) and is_better:
            self.best, self.waited = value, 0
        else:
            self.waited += 1

    def start_over(self) -> None:
        """Wait afresh, with the same best value."""
        self.waited = 0

    def record(self) -> dict[str, Any]:
        """As JSON."""
        return {"best": self.best, "waited": self.waited}

    def restore(self, record: dict[str, Any]) -> None:
        """From JSON."""
        self.best, self.waited = record["best"], record["waited"]
