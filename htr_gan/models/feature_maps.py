"""What a recogniser sees of a line: three CNNs from [height, width, 1] to a map that is 4 or 8 times narrower.

The usual networks shrink both sides alike; a line of text must keep its width, as each column of the map is one time
step. So their later strides are (2, 1). Batch norm has momentum 0.9: trainings here are short.
"""

from __future__ import annotations

from typing import Any

from keras import layers

from htr_gan.models.norm import FusedBatchNorm

MOMENTUM = 0.9


def _norm(x: Any, name: str) -> Any:
    return FusedBatchNorm(momentum=MOMENTUM, name=f"{name}_norm")(x)


def _block(x: Any, channels: int, name: str) -> Any:
    # Without batch norm the recogniser stays on the plateau where it predicts blanks only.
    x = layers.Conv2D(channels, 3, padding="same", use_bias=False, name=f"{name}_conv")(x)
    return layers.ReLU(name=f"{name}_relu")(_norm(x, name))


def conv_map(line: Any, channels: int, factors: tuple[int, ...], columns: int, *, deep: bool) -> Any:
    """Five (`deep`: six) convolutions of `factors` x `channels`; the map is 8 times lower."""
    first, second, third, fourth, last = (factor * channels for factor in factors)
    x = _block(line, first, "rec1")
    x = layers.MaxPooling2D((2, 2), name="rec1_pool")(x)
    x = _block(x, second, "rec2")
    x = layers.MaxPooling2D((2, 2), name="rec2_pool")(x)
    x = _block(x, third, "rec3")
    x = _block(x, fourth, "rec4")
    x = layers.MaxPooling2D((2, columns // 4), name="rec4_pool")(x)
    x = _block(x, last, "rec5")
    return _block(x, last, "rec6") if deep else x


def resnet_map(line: Any, channels: int, columns: int) -> Any:
    """ResNet-18 (He et al. 2016) without its head; `channels` is 64 there. The map is 32 times lower."""
    x = layers.Conv2D(channels, 7, strides=2, padding="same", use_bias=False, name="res_stem_conv")(line)
    x = layers.ReLU(name="res_stem_relu")(_norm(x, "res_stem"))
    x = layers.MaxPooling2D(3, strides=2, padding="same", name="res_stem_pool")(x)
    strides = ((1, 1), (2, columns // 4), (2, 1), (2, 1))
    for stage, stride in enumerate(strides, start=1):
        width = channels * 2 ** (stage - 1)
        x = _residual(x, width, stride, f"res{stage}a")
        x = _residual(x, width, (1, 1), f"res{stage}b")
    return x


def _residual(x: Any, channels: int, stride: tuple[int, int], name: str) -> Any:
    skip = x
    if stride != (1, 1) or x.shape[-1] != channels:
        skip = layers.Conv2D(channels, 1, strides=stride, use_bias=False, name=f"{name}_skip_conv")(x)
        skip = _norm(skip, f"{name}_skip")
    x = layers.Conv2D(channels, 3, strides=stride, padding="same", use_bias=False, name=f"{name}1_conv")(x)
    x = layers.ReLU(name=f"{name}1_relu")(_norm(x, f"{name}1"))
    x = layers.Conv2D(channels, 3, padding="same", use_bias=False, name=f"{name}2_conv")(x)
    x = layers.Add(name=f"{name}_add")([_norm(x, f"{name}2"), skip])
    return layers.ReLU(name=f"{name}_relu")(x)


_STAGES = ((1, 16, 1, 3), (6, 24, 2, 3), (6, 40, 2, 5), (6, 80, 3, 3), (6, 112, 3, 5), (6, 192, 4, 5), (6, 320, 1, 3))
"""Expansion, channels, blocks and kernel of each stage of EfficientNet-B0."""
_B0_STEM = 32


def efficientnet_map(line: Any, channels: int, columns: int) -> Any:
    """EfficientNet-B0 (Tan & Le 2019) up to its last stage; `channels` of the stem are 32 there.

    The map is 32 times lower. No stochastic depth, so nothing in it is random.
    """
    x = layers.Conv2D(channels, 3, strides=2, padding="same", use_bias=False, name="eff_stem_conv")(line)
    x = layers.Activation("silu", name="eff_stem_silu")(_norm(x, "eff_stem"))
    strides = ((1, 1), (2, 2), (2, columns // 4), (2, 1), (1, 1), (2, 1), (1, 1))
    for stage, ((expansion, width, blocks, kernel), stride) in enumerate(zip(_STAGES, strides, strict=True), start=1):
        width = max(2, round(width * channels / _B0_STEM))
        for block in range(blocks):
            name = f"eff{stage}{'abcd'[block]}"
            x = _inverted_residual(x, width, expansion, kernel, stride if block == 0 else (1, 1), name)
    return x


def _inverted_residual(x: Any, channels: int, expansion: int, kernel: int, stride: tuple[int, int], name: str) -> Any:
    skip, inner = x, x.shape[-1] * expansion
    squeezed = max(1, x.shape[-1] // 4)
    if expansion > 1:
        x = layers.Conv2D(inner, 1, use_bias=False, name=f"{name}_grow_conv")(x)
        x = layers.Activation("silu", name=f"{name}_grow_silu")(_norm(x, f"{name}_grow"))
    x = _depthwise(x, kernel, stride, name)
    x = layers.Activation("silu", name=f"{name}_depth_silu")(_norm(x, f"{name}_depth"))
    gate = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_squeeze")(x)
    gate = layers.Conv2D(squeezed, 1, activation="silu", name=f"{name}_excite1")(gate)
    gate = layers.Conv2D(inner, 1, activation="sigmoid", name=f"{name}_excite2")(gate)
    x = layers.Multiply(name=f"{name}_excited")([x, gate])
    x = _norm(layers.Conv2D(channels, 1, use_bias=False, name=f"{name}_shrink_conv")(x), f"{name}_shrink")
    if stride == (1, 1) and skip.shape[-1] == channels:
        x = layers.Add(name=f"{name}_add")([x, skip])
    return x


def _depthwise(x: Any, kernel: int, stride: tuple[int, int], name: str) -> Any:
    """TensorFlow's depthwise kernel knows only equal strides: a (2, 1) one is a pass of stride 1 and a choice of rows."""
    if stride[0] == stride[1]:
        return layers.DepthwiseConv2D(kernel, stride, padding="same", use_bias=False, name=f"{name}_depth_conv")(x)
    x = layers.DepthwiseConv2D(kernel, padding="same", use_bias=False, name=f"{name}_depth_conv")(x)
    return layers.MaxPooling2D(1, strides=stride, padding="same", name=f"{name}_depth_rows")(x)
