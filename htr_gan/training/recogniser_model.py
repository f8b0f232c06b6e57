"""One step of learning to read."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from htr_gan.losses import ctc_loss
from htr_gan.models.reading import read_greedy
from htr_gan.training.accumulation import average_over_parts, zeros_like_variables
from htr_gan.training.stepped import SteppedModel

TOTAL, CTC = "loss/total", "loss/ctc"
LETTERS = "letters"
"""Letters read a line: near 0 while the recogniser is on the plateau where it predicts blanks only."""


class RecogniserModel(SteppedModel):
    """Trains a recogniser with CTC on clean lines."""

    def __init__(self, recogniser: Any, accumulation: int) -> None:
        super().__init__((TOTAL, CTC), accumulation, "recogniser_training", (LETTERS,))
        self.recogniser = recogniser

    def compile_with(self, optimizer: Any) -> None:
        """Take the optimizer and build its state, so that a checkpoint can be put into it."""
        super().compile(optimizer=optimizer, jit_compile=False)
        optimizer.build(self.recogniser.trainable_variables)

    def networks(self) -> dict[str, Any]:
        """The recogniser."""
        return {"recogniser": self.recogniser}

    def optimizers(self) -> dict[str, Any]:
        """Its optimizer."""
        return {"recogniser": self.optimizer}

    def train_step(self, batch: dict[str, Any]) -> dict[str, Any]:
        """One optimizer step on {"clean", "labels"}."""
        variables = self.recogniser.trainable_variables
        zeros = (zeros_like_variables(variables), tf.constant(0.0))
        gradients, loss = average_over_parts(self._gradients, batch, self.accumulation, zeros)
        self.optimizer.apply(gradients, variables)
        return self.track({TOTAL: loss, CTC: loss})

    def _gradients(self, batch: dict[str, Any]) -> tuple[list[Any], Any]:
        with tf.GradientTape() as tape:
            loss = ctc_loss(self.recogniser(batch["clean"], training=True)["logits"], batch["labels"])
        return tape.gradient(loss, self.recogniser.trainable_variables), loss

    def test_step(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Read the held-out lines {"index", "clean"}."""
        labels = read_greedy(self.recogniser(batch["clean"], training=False)["logits"])
        return self.measure({LETTERS: tf.math.count_nonzero(labels, axis=1)}, batch["index"], labels)
