"""The discriminator: does this picture, together with this text, come from a clean page?

Two branches: spectrally normalised convolutions look at the picture, a masked LSTM reads the text.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from keras import layers


def build_discriminator(
    height: int,
    width: int,
    *,
    text_length: int,
    tokens: int,
    channels: int = 16,
    levels: int = 3,
    pool: str = "global",
    dense: int = 512,
    text_lstm: int = 32,
    use_cudnn: bool = True,
) -> Any:
    """A model from {"line", "text"} to one logit a pair, float32.

    `text` must hold right-padded rows that are never empty (`htr_gan.models.reading`): with any other mask the
    cuDNN kernel of the LSTM stops the training with an assertion. `dense` counts for `pool` flatten only.
    """
    line = keras.Input((height, width, 1), name="line")
    text = keras.Input((text_length,), dtype="int32", name="text")
    seen = _look(line, channels, levels, pool, dense)
    embedded = layers.Embedding(tokens, 16, mask_zero=True, name="dis_letters")(text)
    read = layers.LSTM(text_lstm, use_cudnn="auto" if use_cudnn else False, name="dis_read")(embedded)
    both = layers.Concatenate(name="dis_both")([seen, read])
    both = layers.Dense(64, name="dis_dense")(both)
    both = layers.LeakyReLU(negative_slope=0.2, name="dis_dense_relu")(both)
    logit = layers.Dense(1, dtype="float32", name="dis_logit")(both)
    return keras.Model({"line": line, "text": text}, logit, name="discriminator")


def _look(x: Any, channels: int, levels: int, pool: str, dense: int) -> Any:
    """The picture as a vector: averaged over its places, or flattened, which costs a dense layer of millions."""
    for number in range(1, levels + 1):
        conv = layers.Conv2D(channels * 2 ** (number - 1), 4, strides=2, padding="same", name=f"dis{number}_conv")
        x = layers.SpectralNormalization(conv, name=f"dis{number}")(x)
        x = layers.LeakyReLU(negative_slope=0.2, name=f"dis{number}_relu")(x)
    if pool == "global":
        return layers.GlobalAveragePooling2D(name="dis_seen")(x)
    x = layers.Dense(dense, name="dis_flat_dense")(layers.Flatten(name="dis_flat")(x))
    return layers.LeakyReLU(negative_slope=0.2, name="dis_seen")(x)


def normalise_spectrum(discriminator: Any) -> None:
    """One power iteration on each normalised kernel.

    Called once an optimizer step, not once a pass: so accumulation does not change how often it happens, and the
    passes themselves have no side effect.
    """
    for layer in discriminator.layers:
        if isinstance(layer, layers.SpectralNormalization):
            vector, kernel = layer.normalized_weights()
            layer.vector_u.assign(tf.stop_gradient(vector))
            layer.kernel.assign(tf.stop_gradient(kernel))
