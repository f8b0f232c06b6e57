"""The loss terms: one pure function each, a scalar that is a mean over lines."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from htr_gan.alphabet import BLANK

REACH = 60.0
"""In natural logarithms; e^-60 is a probability that no reading needs to go below."""


def _mean_over_lines(values: Any, share: Any) -> Any:
    """The mean of `values` [batch, ...]; lines count as much as `share` [batch] says, and all are divided by.

    So a term over some of the lines is still a mean over the batch, and gradients of parts of a batch still add up.
    """
    if share is None:
        return tf.reduce_mean(values)
    return tf.reduce_mean(share * tf.reduce_mean(tf.reshape(values, [tf.shape(values)[0], -1]), axis=1))


def pixel_loss(restored: Any, clean: Any, share: Any = None) -> Any:
    """Mean absolute difference of pixels, of the lines that `share` [batch] counts."""
    return _mean_over_lines(tf.abs(tf.cast(restored, tf.float32) - tf.cast(clean, tf.float32)), share)


def feature_loss(features: Any, clean_features: Any, share: Any = None) -> Any:
    """Mean squared difference of the recogniser's CNN features: what makes letters legible, not merely dark."""
    wanted = tf.cast(clean_features, tf.float32)
    return _mean_over_lines(tf.math.squared_difference(tf.cast(features, tf.float32), wanted), share)


def ctc_loss(logits: Any, labels: Any, share: Any = None) -> Any:
    """CTC of right-padded `labels`, of the lines that `share` [batch] counts; not clipped, as a clipped loss has no gradient. Norms are clipped instead."""
    logits = _within_reach(tf.cast(logits, tf.float32))
    steps = tf.fill([tf.shape(logits)[0]], tf.shape(logits)[1])
    sparse = tf.sparse.from_dense(tf.cast(labels, tf.int32))  # blanks are the padding; the sparse op is 7 times faster
    losses = tf.nn.ctc_loss(
        labels=sparse, logits=logits, label_length=None, logit_length=steps, logits_time_major=False, blank_index=BLANK
    )
    return _mean_over_lines(losses, share)


def _within_reach(logits: Any) -> Any:
    """Logits no further than `REACH` below the largest; their gradient passes unchanged.

    Below that a probability is 0 in float32, TensorFlow's CTC finds no path, and the loss is infinite.
    """
    lowest = tf.reduce_max(logits, axis=-1, keepdims=True) - REACH
    return logits + tf.stop_gradient(tf.maximum(logits, lowest) - logits)


def contrastive_loss(lines: Any, texts: Any, labels: Any, temperature: float) -> Any:
    """InfoNCE (van den Oord et al. 2018), symmetrical as in CLIP (Radford et al. 2021): whose text is this line's?

    `lines` and `texts` are vectors [batch, n] of the same lines; the other lines of the batch are the negatives, except
    those with the same right-padded `labels`: they are as right as the line's own. Chance is ln(batch), 0 for one line.
    """
    lines, texts = (tf.math.l2_normalize(tf.cast(side, tf.float32), axis=-1) for side in (lines, texts))
    alike = tf.matmul(lines, texts, transpose_b=True) / temperature
    same = tf.reduce_all(tf.equal(labels[:, tf.newaxis], labels[tf.newaxis]), axis=-1)
    twins = tf.logical_and(same, tf.logical_not(tf.eye(tf.shape(same)[0], dtype=tf.bool)))
    alike = tf.where(twins, alike.dtype.min / 2, alike)
    own = tf.range(tf.shape(alike)[0])
    to_text = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=own, logits=alike)
    to_line = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=own, logits=tf.transpose(alike))
    return 0.5 * tf.reduce_mean(to_text + to_line)


def warmed_up(epoch: int, warmup: int, anneal: int) -> float:
    """The share of its weight that a term has in `epoch` (from 0): none for `warmup` epochs, then rising for `anneal`.

    A pure function of the epoch, so a resumed training needs no memory of it.
    """
    if epoch < warmup:
        return 0.0
    return min(1.0, (epoch - warmup + 1) / (anneal + 1))


def adversarial_loss(fake_logits: Any) -> Any:
    """The generator's side: restored pairs should be taken for real."""
    return _cross_entropy(fake_logits, 1.0)


def discriminator_loss(real_logits: Any, fake_logits: Any, smoothing: float, share: Any = None) -> Any:
    """The discriminator's side, with one-sided label smoothing; `share` [batch] says which clean lines are real."""
    return _cross_entropy(real_logits, 1.0 - smoothing, share) + _cross_entropy(fake_logits, 0.0)


def _cross_entropy(logits: Any, target: float, share: Any = None) -> Any:
    logits = tf.cast(logits, tf.float32)
    labels = tf.fill(tf.shape(logits), target)
    return _mean_over_lines(tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits), share)
