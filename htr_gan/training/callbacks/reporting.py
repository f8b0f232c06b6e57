"""Tells events and prints one line an epoch."""

from __future__ import annotations

import time
from typing import Any

import keras

from htr_gan.events import EventSink, say
from htr_gan.training.progress import Progress
from htr_gan.training.time_left import TimeLeft, clock

PROGRESS_EVERY_S = 1.0


class Reporting(keras.callbacks.Callback):  # type: ignore[misc]
    """`progress` at most once a second, `metrics` and a line on stdout at the end of each epoch."""

    def __init__(self, progress: Progress, epochs: int, steps: int, events: EventSink, label: str = "") -> None:
        super().__init__()
        self._progress, self._epochs, self._steps = progress, epochs, steps
        self._events, self._label = events, label
        self._told_at, self._told_step = time.monotonic(), 0
        self._left = TimeLeft()
        self._counted_at: float | None = None
        """When the last step ended that was counted; None before the first step of this process."""
        self._steps_ended = 0.0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Rates are counted from here."""
        self._told_at, self._told_step = time.monotonic(), self._progress.steps_done
        if self._counted_at is not None:
            self._counted_at = self._told_at
            self._left.take_validation(self._told_at - self._steps_ended)

    def _eta_s(self) -> float | None:
        """Seconds to the end of the last epoch."""
        epochs = self._epochs - self._progress.epochs_done
        seconds = self._left.seconds(epochs * self._steps - self._progress.steps_done, epochs)
        return None if seconds is None else round(seconds, 1)

    def _count_step(self, now: float) -> None:
        if self._counted_at is not None:
            self._left.take_steps(1, now - self._counted_at)
        self._counted_at = self._steps_ended = now

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Tell how far the epoch is, if the last time was long enough ago."""
        now = time.monotonic()
        self._count_step(now)
        elapsed = now - self._told_at
        if elapsed < PROGRESS_EVERY_S:
            return
        done = self._progress.steps_done
        rate = (done - self._told_step) / elapsed
        self._events.emit(
            "progress",
            epoch=self._progress.epochs_done + 1,
            step=done,
            of=self._steps,
            rate=round(rate, 3),
            eta_s=self._eta_s(),
        )
        self._told_at, self._told_step = now, done

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Tell the values of the epoch."""
        last = self._progress.history[-1]
        report_epoch(last, self._epochs, self._events, self._label, self._eta_s())


def report_epoch(
    last: dict[str, Any], epochs: int, events: EventSink, label: str = "", eta_s: float | None = None
) -> None:
    """One epoch of the history as an event and as a line."""
    values: dict[str, float] = last["values"]
    events.emit("metrics", epoch=last["epoch"], step=last["step"], values=values)
    shown = "  ".join(f"{name} {value:.4g}" for name, value in values.items() if not name.startswith("memory/"))
    left = f"  {clock(eta_s)} left" if eta_s else ""
    say(f"{label}epoch {last['epoch']}/{epochs}  {shown}{left}")
