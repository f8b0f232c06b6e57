"""What the training loop needs to know of a task."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from htr_gan.data.order import Visits
from htr_gan.training.stepped import SteppedModel

Panels = Callable[[], dict[str, NDArray[np.uint8]]]


class Task(Protocol):
    """A model with its data; the loop gives it line numbers and asks how good it is."""

    @property
    def model(self) -> SteppedModel:
        """What is trained; its state is what checkpoints hold."""

    @property
    def lines(self) -> int:
        """Number of training lines."""

    @property
    def panels(self) -> Panels | None:
        """The pictures of the last validation, if the task shows any."""

    def batches(self, visits: Visits) -> Any:
        """The lines of each step, one row of `visits` each."""

    def begin_epoch(self, epoch: int) -> None:
        """Called as `epoch` (from 0) starts or, after a stop within it, goes on: for what depends on the epoch alone."""

    def held_out_batches(self) -> Any:
        """The held-out lines for the model's test steps, each with its number as `index`."""

    def error_rates(self) -> dict[str, float]:
        """Metrics of what the test steps read, named `val/...`."""
