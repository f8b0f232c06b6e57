"""The loss terms: one pure function each, a scalar that is a mean over lines."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from htr_gan.alphabet import BLANK

REACH = 60.0
"""In natural logarithms; e^-60 is a probability that no reading needs to go below."""


def pixel_loss(restored: Any, clean: Any) -> Any:
    """Mean absolute difference of pixels."""
    return tf.reduce_mean(tf.abs(restored - clean))


def feature_loss(features: Any, clean_features: Any) -> Any:
    """Mean squared difference of the recogniser's CNN features: what makes letters legible, not merely dark."""
    return tf.reduce_mean(tf.math.squared_difference(features, tf.cast(clean_features, features.dtype)))


def ctc_loss(logits: Any, labels: Any) -> Any:
    """CTC of right-padded `labels`; not clipped, as a clipped loss has no gradient. Norms are clipped instead."""
    logits = _within_reach(tf.cast(logits, tf.float32))
    steps = tf.fill([tf.shape(logits)[0]], tf.shape(logits)[1])
    sparse = tf.sparse.from_dense(tf.cast(labels, tf.int32))  # blanks are the padding; the sparse op is 7 times faster
    losses = tf.nn.ctc_loss(
        labels=sparse, logits=logits, label_length=None, logit_length=steps, logits_time_major=False, blank_index=BLANK
    )
    return tf.reduce_mean(losses)


def _within_reach(logits: Any) -> Any:
    """Logits no further than `REACH` below the largest; their gradient passes unchanged.

    Below that a probability is 0 in float32, TensorFlow's CTC finds no path, and the loss is infinite.
    """
    lowest = tf.reduce_max(logits, axis=-1, keepdims=True) - REACH
    return logits + tf.stop_gradient(tf.maximum(logits, lowest) - logits)


def adversarial_loss(fake_logits: Any) -> Any:
    """The generator's side: restored pairs should be taken for real."""
    return _cross_entropy(fake_logits, 1.0)


def discriminator_loss(real_logits: Any, fake_logits: Any, smoothing: float) -> Any:
    """The discriminator's side, with one-sided label smoothing."""
    return _cross_entropy(real_logits, 1.0 - smoothing) + _cross_entropy(fake_logits, 0.0)


def _cross_entropy(logits: Any, target: float) -> Any:
    labels = tf.fill(tf.shape(logits), tf.constant(target, logits.dtype))
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits))
