"""What a time step knows of the others: bidirectional LSTMs, convolutions along the line, or attention."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
from keras import layers, ops

KERNEL = 7
"""Time steps that one convolution along the line sees."""


def bidirectional(x: Any, units: int, count: int, dropout: float, use_cudnn: bool) -> Any:
    """`count` bidirectional LSTMs; [batch, steps, 2 x units]."""
    for number in range(1, count + 1):
        ending = "" if number == 1 else str(number)
        if dropout and number > 1:
            x = layers.Dropout(dropout, name=f"rec_context_drop{ending}")(x)
        cell = layers.LSTM(
            units, return_sequences=True, use_cudnn="auto" if use_cudnn else False, name=f"rec_lstm{ending}"
        )
        x = layers.Bidirectional(cell, name=f"rec_context{ending}")(x)
    return x


def convolutional(x: Any, channels: int, count: int) -> Any:
    """`count` residual convolutions along the line; [batch, steps, channels]."""
    for number in range(1, count + 1):
        seen = layers.Conv1D(channels, KERNEL, padding="same", use_bias=False, name=f"rec_along{number}_conv")(x)
        seen = layers.BatchNormalization(momentum=0.9, name=f"rec_along{number}_norm")(seen)
        seen = layers.ReLU(name=f"rec_along{number}_relu")(seen)
        x = layers.Add(name=f"rec_along{number}_add")([x, seen])
    return x


@keras.saving.register_keras_serializable("htr_gan")
class PositionalEncoding(layers.Layer):  # type: ignore[misc]
    """Adds sines and cosines that tell each time step where it is (Vaswani et al. 2017, section 3.5)."""

    def call(self, x: Any) -> Any:
        """[batch, steps, features] to the same shape."""
        return x + ops.cast(position_table(x.shape[1], x.shape[2]), x.dtype)


def position_table(steps: int, features: int) -> Any:
    """float32 [steps, features]: sines in the first half, cosines in the second, wavelengths 2 pi to 20000 pi."""
    half = features // 2
    rates = np.exp(-math.log(10_000.0) * np.arange(half) / max(half - 1, 1))
    angles = np.arange(steps)[:, np.newaxis] * rates
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype(np.float32)


def encoder(x: Any, count: int, heads: int, feed_forward: int, dropout: float) -> Any:
    """`count` encoder layers with the norm first, which trains without a long warm-up (Xiong et al. 2020)."""
    x = PositionalEncoding(name="rec_position")(x)
    for number in range(1, count + 1):
        x = _encoder_layer(x, heads, feed_forward, dropout, f"rec_encoder{number}")
    return layers.LayerNormalization(name="rec_encoder_norm")(x)


def _encoder_layer(x: Any, heads: int, feed_forward: int, dropout: float, name: str) -> Any:
    features = x.shape[-1]
    seen = layers.LayerNormalization(name=f"{name}_attention_norm")(x)
    attention = layers.MultiHeadAttention(heads, features // heads, dropout=dropout, name=f"{name}_attention")
    x = layers.Add(name=f"{name}_attended")([x, _dropped(attention(seen, seen), dropout, f"{name}_attention_drop")])
    thought = layers.LayerNormalization(name=f"{name}_dense_norm")(x)
    thought = layers.Dense(feed_forward, activation="gelu", name=f"{name}_dense1")(thought)
    thought = layers.Dense(features, name=f"{name}_dense2")(_dropped(thought, dropout, f"{name}_dense_drop"))
    return layers.Add(name=f"{name}_thought")([x, _dropped(thought, dropout, f"{name}_drop")])


def _dropped(x: Any, dropout: float, name: str) -> Any:
    return layers.Dropout(dropout, name=name)(x) if dropout else x
