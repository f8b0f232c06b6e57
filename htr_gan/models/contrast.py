"""Where a restored line and its transcription meet: one vector each, for the contrastive loss."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers


def build_contrast(
    map_shape: tuple[int, int, int],
    *,
    text_length: int,
    tokens: int,
    units: int = 64,
    use_cudnn: bool = True,
) -> Any:
    """A model from {"features", "text"} to {"line", "text"}, two vectors [batch, 2 x units] in float32.

    `features` is a map of the frozen recogniser, averaged over its places and projected; `text` right-padded labels
    behind a begin label, so that no row is empty and no mask has a gap (`htr_gan.models.reading`).
    """
    features = keras.Input(map_shape, name="features")
    text = keras.Input((text_length,), dtype="int32", name="text")
    seen = layers.GlobalAveragePooling2D(name="con_seen")(features)
    line = layers.Dense(2 * units, dtype="float32", name="con_line")(seen)
    embedded = layers.Embedding(tokens, units, mask_zero=True, name="con_letters")(text)
    cell = layers.LSTM(units, use_cudnn="auto" if use_cudnn else False, name="con_lstm")
    read = layers.Bidirectional(cell, name="con_read")(embedded)
    meaning = layers.Dense(2 * units, dtype="float32", name="con_text")(read)
    return keras.Model({"features": features, "text": text}, {"line": line, "text": meaning}, name="contrast")
