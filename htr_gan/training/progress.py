"""How far a training has come: what a checkpoint remembers beside the weights."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from htr_gan.expression import Expression

LATER = ("early_stop", "plateau", "best_formula")
"""Fields that records of the first release do not have."""


@dataclass
class Progress:
    """Changed by the callbacks only; all of it is in every checkpoint."""

    epochs_done: int = 0
    steps_done: int = 0
    """Optimizer steps in the epoch that is not finished yet."""
    global_step: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    """One {"epoch", "step", "values"} for each finished epoch."""
    best_epoch: int = 0
    """The epoch with the best score so far; 0 before the first."""
    best_score: float | None = None
    best_formula: str = ""
    """What `best_score` is the value of; empty in records of the first release and before the first epoch."""
    partial_means: dict[str, list[float]] = field(default_factory=dict)
    """Running loss means of the unfinished epoch."""
    early_stop: dict[str, Any] = field(default_factory=dict)
    """What early stopping remembers (`callbacks.early_stopping`)."""
    plateau: dict[str, Any] = field(default_factory=dict)
    """What the schedule `plateau` remembers (`callbacks.plateau`)."""

    def finish_epoch(self, values: dict[str, float], score: float) -> None:
        """Take the values of the epoch that just ended."""
        self.epochs_done += 1
        self.steps_done = 0
        self.partial_means = {}
        self.history.append({"epoch": self.epochs_done, "step": self.global_step, "values": values})
        if math.isfinite(score) and (self.best_score is None or score > self.best_score):
            self.best_score, self.best_epoch = score, self.epochs_done
        self.best_epoch = self.best_epoch or self.epochs_done

    def choose_best(self, score: Expression, there: set[int]) -> None:
        """Compare finished epochs anew, those in `there`; an epoch without the metrics of `score` is never the best."""
        self.best_epoch, self.best_score, self.best_formula = 0, None, score.text
        for epoch in self.history:
            if epoch["epoch"] not in there or not score.names <= epoch["values"].keys():
                continue
            value = score(epoch["values"])
            if math.isfinite(value) and (self.best_score is None or value > self.best_score):
                self.best_epoch, self.best_score = epoch["epoch"], value
        self.best_epoch = self.best_epoch or self.epochs_done

    def record(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "epochs_done": self.epochs_done,
            "steps_done": self.steps_done,
            "global_step": self.global_step,
            "history": self.history,
            "best_epoch": self.best_epoch,
            "best_score": self.best_score,
            "partial_means": self.partial_means,
            "best_formula": self.best_formula,
            "early_stop": self.early_stop,
            "plateau": self.plateau,
        }

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Progress:
        """From JSON; KeyError, TypeError or ValueError for a record that is none. Earlier releases lack the last ones."""
        known = cls().record()
        for epoch in record["history"]:
            # JSON has no nan; on the disk it is a text (`htr_gan.files.to_plain`).
            epoch["values"] = {name: float(value) for name, value in epoch["values"].items()}
        later = {name: record[name] for name in LATER if name in record}
        return cls(**{name: record[name] for name in known if name not in LATER}, **later)
