"""Between two steps: counts them, refuses a loss that is not finite, and lets the user stop."""

from __future__ import annotations

import math
from typing import Any

import keras

from htr_gan.errors import NonFiniteLossError
from htr_gan.stop import StopFlag
from htr_gan.training.progress import Progress
from htr_gan.training.stepped import SteppedModel, first_not_finite


def refuse_spoilt(model: SteppedModel, progress: Progress) -> None:
    """A loss is computed before its step's update, so it cannot tell that the update spoilt the state."""
    spoilt = first_not_finite(model)
    if spoilt is not None:
        raise NonFiniteLossError(math.nan, progress.epochs_done + 1, progress.steps_done, spoilt)


class StepGuard(keras.callbacks.Callback):  # type: ignore[misc]
    """Raises `NonFiniteLossError` or `StopRequested`, which end `fit`.

    The loss is looked at first: a state that is spoilt must not be saved because of a stop.
    """

    def __init__(self, progress: Progress, steps: int, stop: StopFlag) -> None:
        super().__init__()
        self._progress, self._steps, self._stop = progress, steps, stop

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Go on with the means of an epoch that was interrupted (Keras has just reset them)."""
        if self._progress.partial_means:
            self.model.restore_means(self._progress.partial_means)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Count, check, stop; the last step of an epoch goes on to its validation, which is short."""
        self._progress.steps_done += 1
        self._progress.global_step += 1
        total = float(logs["loss/total"])
        if not math.isfinite(total):
            raise NonFiniteLossError(total, self._progress.epochs_done + 1, self._progress.steps_done)
        if self._progress.steps_done < self._steps:
            self._stop.check()
        else:
            refuse_spoilt(self.model, self._progress)


class EpochGuard(keras.callbacks.Callback):  # type: ignore[misc]
    """Last in the list: a stop that came during the last step or the validation takes effect here."""

    def __init__(self, progress: Progress, epochs: int, stop: StopFlag) -> None:
        super().__init__()
        self._progress, self._epochs, self._stop = progress, epochs, stop

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Stop, unless all is done anyway."""
        if self._progress.epochs_done < self._epochs and not self.model.stop_training:
            self._stop.check()
