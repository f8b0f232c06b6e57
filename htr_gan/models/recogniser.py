"""The recogniser: CNN, bidirectional LSTM, one CTC output every four columns."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

COLUMNS_PER_STEP = 4
"""Picture columns behind one time step of the output."""


def _block(x: Any, channels: int, name: str) -> Any:
    # Without batch norm the recogniser stays on the plateau where it predicts blanks only.
    x = layers.Conv2D(channels, 3, padding="same", use_bias=False, name=f"{name}_conv")(x)
    x = layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def build_recogniser(
    height: int, width: int, classes: int, *, channels: int = 16, lstm: int = 64, use_cudnn: bool = True
) -> Any:
    """A model from lines [batch, height, width, 1] in [0, 1] to {"logits", "features"}.

    `logits` are [batch, width / 4, classes] with class 0 the CTC blank; `features` is the last map of the CNN.
    """
    line = keras.Input((height, width, 1), name="line")
    x = _block(line, channels, "rec1")
    x = layers.MaxPooling2D((2, 2), name="rec1_pool")(x)
    x = _block(x, channels * 2, "rec2")
    x = layers.MaxPooling2D((2, 2), name="rec2_pool")(x)
    x = _block(x, channels * 3, "rec3")
    x = _block(x, channels * 3, "rec4")
    x = layers.MaxPooling2D((2, 1), name="rec4_pool")(x)
    features = _block(x, channels * 4, "rec5")
    steps = width // COLUMNS_PER_STEP
    x = layers.Permute((2, 1, 3), name="rec_columns")(features)
    x = layers.Reshape((steps, (height // 8) * channels * 4), name="rec_sequence")(x)
    x = layers.Dense(lstm, activation="relu", name="rec_column")(x)
    x = layers.LayerNormalization(name="rec_column_norm")(x)
    cell = layers.LSTM(lstm, return_sequences=True, use_cudnn="auto" if use_cudnn else False, name="rec_lstm")
    x = layers.Bidirectional(cell, name="rec_context")(x)
    logits = layers.Dense(classes, dtype="float32", name="rec_logits")(x)
    return keras.Model(line, {"logits": logits, "features": features}, name="recogniser")
