"""The lean generator: a U-Net with one normalisation a block, for CPUs, where normalising costs as much as convolving.

Against `htr_gan.models.unet` a block normalises once, after its second convolution, and the way up is a transposed
convolution whose kernel does not overlap, in place of enlarging and convolving. Same depth, width and field of view.
"""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import layers, ops

from htr_gan.models.norm import FusedBatchNorm
from htr_gan.models.unet import MOST_GROUPS

REACH = 5.0
"""Of the output's logits: from 0.7 to 99.3 % of the light."""


def build_lean_generator(height: int, width: int, *, channels: int = 12, levels: int = 3, norm: str = "batch") -> Any:
    """A model from lines [batch, height, width, 1] in [0, 1] to restored lines of the same shape, float32.

    The output starts near 1, white paper, which most pixels are.
    """
    degraded = keras.Input((height, width, 1), name="degraded")
    x, skips = degraded, []
    for level in range(levels):
        x = _block(x, channels * 2**level, norm, f"down{level}")
        skips.append(x)
        x = layers.MaxPooling2D(2, name=f"down{level}_pool")(x)
    x = _block(x, channels * 2**levels, norm, "bottom")
    for level in reversed(range(levels)):
        grown = layers.Conv2DTranspose(channels * 2**level, 2, strides=2, name=f"up{level}_grow")(x)
        x = layers.Concatenate(name=f"up{level}_skip")([skips[level], grown])
        x = _block(x, channels * 2**level, norm, f"up{level}")
    white = keras.initializers.Constant(2.0)
    logits = layers.Conv2D(1, 1, bias_initializer=white, dtype="float32", name="restored")(x)
    return keras.Model(degraded, ops.sigmoid(_within_reach(logits)), name="generator")


def _within_reach(logits: Any) -> Any:
    """Logits no further than `REACH` from 0; their gradient passes unchanged.

    A sigmoid that is driven further has no gradient: Muon's large first steps could turn whole rows at the border black for good.
    """
    return logits + ops.stop_gradient(ops.clip(logits, -REACH, REACH) - logits)


def _block(x: Any, channels: int, norm: str, name: str) -> Any:
    x = layers.Conv2D(channels, 3, padding="same", name=f"{name}a_conv")(x)
    x = layers.LeakyReLU(negative_slope=0.1, name=f"{name}a_relu")(x)
    x = layers.Conv2D(channels, 3, padding="same", use_bias=norm == "none", name=f"{name}b_conv")(x)
    if norm == "batch":
        x = FusedBatchNorm(momentum=0.9, name=f"{name}b_norm")(x)
    elif norm == "group":
        x = layers.GroupNormalization(math.gcd(channels, MOST_GROUPS), name=f"{name}b_norm")(x)
    return layers.LeakyReLU(negative_slope=0.1, name=f"{name}b_relu")(x)
