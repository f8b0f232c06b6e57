"""From the recogniser's logits to text: greedy, collapsed, right-padded, all inside the graph."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from htr_gan.alphabet import BLANK


def collapse(labels: Any) -> Any:
    """CTC labels [batch, steps] without repeats and blanks, moved to the left and padded with the blank."""
    before = tf.pad(labels[:, :-1], [[0, 0], [1, 0]], constant_values=BLANK)
    keep = tf.logical_and(tf.not_equal(labels, BLANK), tf.not_equal(labels, before))
    order = tf.argsort(tf.cast(tf.logical_not(keep), tf.int32), axis=1, stable=True)
    return tf.gather(tf.where(keep, labels, BLANK), order, batch_dims=1)


def read_greedy(logits: Any) -> Any:
    """The most likely labels of each line, collapsed; int32 [batch, steps]."""
    return collapse(tf.argmax(logits, axis=-1, output_type=tf.int32))


def with_begin(labels: Any, begin: int, length: int) -> Any:
    """Texts for the discriminator: the label `begin`, then at most `length` labels; so no row is ever empty."""
    rows = tf.shape(labels)[0]
    return tf.concat([tf.fill([rows, 1], begin), labels[:, :length]], axis=1)
