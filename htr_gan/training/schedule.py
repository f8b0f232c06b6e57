"""The learning rate as a function of the optimizer step, so that a resumed run needs no memory of it."""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf


class WarmupCosine(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """Rises linearly to `peak`, then falls along a cosine to `peak * final`."""

    def __init__(self, peak: float, steps: int, warmup: float, final: float) -> None:
        self.peak, self.steps, self.warmup, self.final = peak, steps, warmup, final

    def __call__(self, step: Any) -> Any:
        """The rate for optimizer step `step`, from 0."""
        step = tf.cast(step, tf.float32)
        rising = max(self.warmup * self.steps, 1.0)
        falling = max(self.steps - rising, 1.0)
        share = tf.clip_by_value((step - rising) / falling, 0.0, 1.0)
        cosine = self.final + (1.0 - self.final) * 0.5 * (1.0 + tf.cos(math.pi * share))
        return self.peak * tf.where(step < rising, (step + 1.0) / rising, cosine)

    def get_config(self) -> dict[str, float]:
        """The arguments, as Keras wants them."""
        return {"peak": self.peak, "steps": self.steps, "warmup": self.warmup, "final": self.final}
