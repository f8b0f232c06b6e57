"""The recogniser: features of the line, one column of them a time step, context over the steps, CTC output."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from htr_gan.config.model_section import RecognizerModelConfig
from htr_gan.models.context import bidirectional, convolutional, encoder
from htr_gan.models.feature_maps import conv_map, efficientnet_map, resnet_map


def build_recogniser(
    height: int,
    width: int,
    classes: int,
    shape: RecognizerModelConfig | None = None,
    *,
    use_cudnn: bool | None = None,
) -> Any:
    """A model from lines [batch, height, width, 1] in [0, 1] to {"logits", "features"}.

    `logits` are float32 [batch, width / columns a step, classes] with class 0 the CTC blank; `features` is the last
    map of the CNN. `use_cudnn`, if given, stands above that of `shape`.
    """
    shape = shape or RecognizerModelConfig()
    may_cudnn = shape.use_cudnn if use_cudnn is None else use_cudnn
    line = keras.Input((height, width, 1), name="line")
    features = _feature_map(line, shape)
    x = layers.Permute((2, 1, 3), name="rec_columns")(features)
    _, steps, rows, channels = x.shape
    x = layers.Reshape((steps, rows * channels), name="rec_sequence")(x)
    x = _with_context(x, shape, may_cudnn)
    if shape.dropout:
        x = layers.Dropout(shape.dropout, name="rec_drop")(x)
    logits = layers.Dense(classes, dtype="float32", name="rec_logits")(x)
    return keras.Model(line, {"logits": logits, "features": features}, name="recogniser")


def _feature_map(line: Any, shape: RecognizerModelConfig) -> Any:
    if shape.family == "resnet18":
        return resnet_map(line, shape.width, shape.columns_per_step)
    if shape.family == "efficientnet-b0":
        return efficientnet_map(line, shape.width, shape.columns_per_step)
    factors = (1, 2, 4, 4, 8) if shape.family == "transformer" else (1, 2, 3, 3, 4)
    return conv_map(line, shape.width, factors, shape.columns_per_step, deep=shape.deep)


def _with_context(x: Any, shape: RecognizerModelConfig, may_cudnn: bool) -> Any:
    if shape.family == "transformer":
        x = layers.Dense(shape.d_model, name="rec_column")(x)
        return encoder(x, shape.encoder_layers, shape.heads, shape.feed_forward, shape.dropout)
    x = layers.Dense(shape.lstm, activation="relu", name="rec_column")(x)
    x = layers.LayerNormalization(name="rec_column_norm")(x)
    if shape.family == "ctc":
        return convolutional(x, shape.lstm, shape.lstm_layers)
    return bidirectional(x, shape.lstm, shape.lstm_layers, shape.dropout, may_cudnn)
