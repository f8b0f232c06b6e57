"""The generator: a U-Net from a degraded line to a clean one."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers


def _block(x: Any, channels: int, norm: str, name: str) -> Any:
    for part in ("a", "b"):
        x = layers.Conv2D(channels, 3, padding="same", use_bias=norm == "none", name=f"{name}{part}_conv")(x)
        if norm == "batch":
            x = layers.BatchNormalization(momentum=0.9, name=f"{name}{part}_norm")(x)
        x = layers.LeakyReLU(negative_slope=0.1, name=f"{name}{part}_relu")(x)
    return x


def build_generator(height: int, width: int, *, channels: int = 12, levels: int = 3, norm: str = "batch") -> Any:
    """A model from lines [batch, height, width, 1] in [0, 1] to restored lines of the same shape.

    The output starts near 1, white paper, which most pixels are.
    """
    degraded = keras.Input((height, width, 1), name="degraded")
    x = degraded
    skips = []
    for level in range(levels):
        x = _block(x, channels * 2**level, norm, f"down{level}")
        skips.append(x)
        x = layers.MaxPooling2D(2, name=f"down{level}_pool")(x)
    x = _block(x, channels * 2**levels, norm, "bottom")
    for level in reversed(range(levels)):
        x = layers.UpSampling2D(2, interpolation="nearest", name=f"up{level}_grow")(x)
        x = layers.Conv2D(channels * 2**level, 2, padding="same", name=f"up{level}_narrow")(x)
        x = layers.Concatenate(name=f"up{level}_skip")([skips[level], x])
        x = _block(x, channels * 2**level, norm, f"up{level}")
    white = keras.initializers.Constant(2.0)
    restored = layers.Conv2D(1, 1, activation="sigmoid", bias_initializer=white, dtype="float32", name="restored")(x)
    return keras.Model(degraded, restored, name="generator")
