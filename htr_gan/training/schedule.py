"""The learning rate as a function of the optimizer step, so that a resumed run needs no memory of it.

Only `Plateau` depends on what was measured; its factor is in `Progress`.
"""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf

from htr_gan.config.train_section import TrainConfig


def new_schedule(plan: TrainConfig) -> Any:
    """What `train.schedule` asks for."""
    steps = plan.epochs * plan.steps
    rising = max(plan.warmup * steps, 1.0)
    if plan.schedule == "step":
        return WarmupSteps(plan.lr, rising, plan.step_epochs * plan.steps, plan.step_factor)
    if plan.schedule == "plateau":
        return Plateau(plan.lr, rising)
    if plan.schedule == "constant":
        return WarmupSteps(plan.lr, rising, steps, 1.0)
    return WarmupCosine(plan.lr, steps, plan.warmup, plan.final_lr)


def _warmed_up(peak: float, rising: float, step: Any, later: Any) -> Any:
    """`peak` times a linear rise over `rising` steps, then times `later`."""
    return peak * tf.where(step < rising, (step + 1.0) / rising, later)


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
        return _warmed_up(self.peak, rising, step, cosine)

    def get_config(self) -> dict[str, float]:
        """The arguments, as Keras wants them."""
        return {"peak": self.peak, "steps": self.steps, "warmup": self.warmup, "final": self.final}


class WarmupSteps(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """Rises linearly to `peak`, then is multiplied by `factor` at every `every` steps; factor 1 keeps it."""

    def __init__(self, peak: float, rising: float, every: int, factor: float) -> None:
        self.peak, self.rising, self.every, self.factor = peak, rising, every, factor

    def __call__(self, step: Any) -> Any:
        """The rate for optimizer step `step`, from 0."""
        falls = tf.cast(tf.cast(step, tf.int64) // self.every, tf.float32)
        return _warmed_up(self.peak, self.rising, tf.cast(step, tf.float32), tf.pow(self.factor, falls))

    def get_config(self) -> dict[str, float]:
        """The arguments, as Keras wants them."""
        return {"peak": self.peak, "rising": self.rising, "every": self.every, "factor": self.factor}


class Plateau(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """Rises linearly to `peak`, then is `peak` times a factor that a callback lowers."""

    def __init__(self, peak: float, rising: float) -> None:
        self.peak, self.rising = peak, rising
        self._factor = tf.Variable(1.0, trainable=False, name="plateau_factor")

    def lower_to(self, factor: float) -> None:
        """From the next step on."""
        self._factor.assign(factor)

    def __call__(self, step: Any) -> Any:
        """The rate for optimizer step `step`, from 0."""
        return _warmed_up(self.peak, self.rising, tf.cast(step, tf.float32), self._factor)

    def get_config(self) -> dict[str, float]:
        """The arguments, as Keras wants them."""
        return {"peak": self.peak, "rising": self.rising}
