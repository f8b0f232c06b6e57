"""Lowers the learning rate when something no longer gets better; only with schedule `plateau`."""

from __future__ import annotations

from typing import Any

import keras

from htr_gan.config.train_section import TrainConfig
from htr_gan.events import EventSink
from htr_gan.expression import parse_expression
from htr_gan.training.patience import Patience
from htr_gan.training.progress import Progress
from htr_gan.training.schedule import Plateau


class PlateauRate(keras.callbacks.Callback):  # type: ignore[misc]
    """After the history and before the checkpoint, which holds factor and patience."""

    def __init__(self, progress: Progress, schedule: Plateau, train: TrainConfig, events: EventSink) -> None:
        super().__init__()
        self._progress, self._schedule, self._peak, self._plan = progress, schedule, train.lr, train.plateau
        self._events = events
        plan = train.plateau
        self._patience = Patience(parse_expression(plan.metric), plan.mode, plan.min_delta, plan.patience)
        self._factor = 1.0
        self._go_on(progress.plateau)

    def _go_on(self, memory: dict[str, Any]) -> None:
        """The factor stays whatever is watched now; what was best is that of one metric."""
        if not memory:
            return
        self._factor = memory["factor"]
        self._schedule.lower_to(self._factor)
        if memory["metric"] == self._plan.metric and memory["mode"] == self._plan.mode:
            self._patience.restore(memory)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Look at the epoch that just ended."""
        self._patience.see(self._progress.history[-1]["values"])
        if self._patience.is_exhausted:
            self._patience.start_over()
            self._lower()
        self._progress.plateau = {
            "factor": self._factor,
            "metric": self._plan.metric,
            "mode": self._plan.mode,
            **self._patience.record(),
        }

    def _lower(self) -> None:
        lowest = min(self._plan.min_lr / self._peak, self._factor)
        lower = max(self._factor * self._plan.factor, lowest)
        if lower == self._factor:
            return
        self._factor = lower
        self._schedule.lower_to(lower)
        self._events.note(
            f"learning rate lowered to {self._peak * lower:.3g}: {self._plan.metric} no better for "
            f"{self._plan.patience} epochs"
        )
