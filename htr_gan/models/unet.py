"""The generator: a U-Net from a degraded line to a clean one, once or twice."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

from htr_gan.models.norm import FusedBatchNorm

MOST_GROUPS = 8
"""Groups of channels that group norm normalises together, where so many divide the channels."""


@dataclass(frozen=True)
class UnetShape:
    """What a U-Net is made of; the defaults are the tiny preset's."""

    channels: int = 12
    """Channels of the first level, doubled on each level below."""
    levels: int = 3
    """Levels above the bottleneck."""
    norm: str = "batch"
    """batch, group or none."""
    residual: bool = False
    """Each block adds its input to its output (He et al. 2016)."""
    attention: bool = False
    """Skips are weighted by attention gates (Oktay et al. 2018)."""


def build_generator(
    height: int,
    width: int,
    *,
    channels: int = 12,
    levels: int = 3,
    norm: str = "batch",
    residual: bool = False,
    attention: bool = False,
    passes: int = 1,
) -> Any:
    """A model from lines [batch, height, width, 1] in [0, 1] to restored lines of the same shape, float32.

    The output starts near 1, white paper, which most pixels are. With two passes a second U-Net of its own weights
    sees the degraded line and the first result, and its output is the model's. Own weights: in a shared network the
    moving averages of batch norm would mix first and second passes and fit neither.
    """
    shape = UnetShape(channels, levels, norm, residual, attention)
    degraded = keras.Input((height, width, 1), name="degraded")
    restored = unet(degraded, shape, "")
    if passes == 2:
        seen = layers.Concatenate(name="second_seen")([degraded, restored])
        restored = unet(seen, shape, "second_")
    return keras.Model(degraded, restored, name="generator")


def unet(x: Any, shape: UnetShape, prefix: str) -> Any:
    """One U-Net over a map; its layers' names start with `prefix`. Returns [batch, height, width, 1] in [0, 1]."""
    skips = []
    for level in range(shape.levels):
        x = _block(x, shape.channels * 2**level, shape, f"{prefix}down{level}")
        skips.append(x)
        x = layers.MaxPooling2D(2, name=f"{prefix}down{level}_pool")(x)
    x = _block(x, shape.channels * 2**shape.levels, shape, f"{prefix}bottom")
    for level in reversed(range(shape.levels)):
        x = _up(x, skips[level], shape.channels * 2**level, shape, f"{prefix}up{level}")
    white = keras.initializers.Constant(2.0)
    name = f"{prefix}restored"
    return layers.Conv2D(1, 1, activation="sigmoid", bias_initializer=white, dtype="float32", name=name)(x)


def _up(x: Any, skip: Any, channels: int, shape: UnetShape, name: str) -> Any:
    if shape.attention:
        skip = attention_gate(skip, x, max(channels // 2, 1), name)
    x = layers.UpSampling2D(2, interpolation="nearest", name=f"{name}_grow")(x)
    x = layers.Conv2D(channels, 2, padding="same", name=f"{name}_narrow")(x)
    x = layers.Concatenate(name=f"{name}_skip")([skip, x])
    return _block(x, channels, shape, name)


def attention_gate(skip: Any, below: Any, channels: int, name: str) -> Any:
    """`skip` times a weight in [0, 1] for each place, found from it and the coarser map `below` (Oktay et al. 2018).

    As there, the two are compared at the coarser resolution; the weight is then repeated, not interpolated.
    """
    seen = layers.Conv2D(channels, 2, strides=2, use_bias=False, name=f"{name}_gate_skip")(skip)
    asked = layers.Conv2D(channels, 1, name=f"{name}_gate_below")(below)
    both = layers.ReLU(name=f"{name}_gate_relu")(layers.Add(name=f"{name}_gate_add")([seen, asked]))
    weight = layers.Conv2D(1, 1, activation="sigmoid", name=f"{name}_gate_weight")(both)
    weight = layers.UpSampling2D(2, interpolation="nearest", name=f"{name}_gate_grow")(weight)
    return layers.Multiply(name=f"{name}_gated")([skip, weight])


def _block(x: Any, channels: int, shape: UnetShape, name: str) -> Any:
    start = x
    x = _convolved(x, channels, shape.norm, f"{name}a")
    x = layers.LeakyReLU(negative_slope=0.1, name=f"{name}a_relu")(x)
    x = _convolved(x, channels, shape.norm, f"{name}b")
    if shape.residual:
        if start.shape[-1] != channels:
            start = layers.Conv2D(channels, 1, use_bias=False, name=f"{name}_project")(start)
        x = layers.Add(name=f"{name}_add")([x, start])
    return layers.LeakyReLU(negative_slope=0.1, name=f"{name}b_relu")(x)


def _convolved(x: Any, channels: int, norm: str, name: str) -> Any:
    x = layers.Conv2D(channels, 3, padding="same", use_bias=norm == "none", name=f"{name}_conv")(x)
    if norm == "batch":
        return FusedBatchNorm(momentum=0.9, name=f"{name}_norm")(x)
    if norm == "group":
        return layers.GroupNormalization(math.gcd(channels, MOST_GROUPS), name=f"{name}_norm")(x)
    return x
