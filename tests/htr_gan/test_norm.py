"""The fused batch norm is Keras's batch norm."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from htr_gan.models.norm import FusedBatchNorm, as_keras_has_it


def trained(kind: Any, training: bool) -> tuple[Any, ...]:
    rng = np.random.default_rng(1)
    layer = kind(momentum=0.9, name="norm")
    layer.build((None, 6, 10, 3))
    layer.set_weights([rng.random(3), rng.normal(size=3), rng.normal(size=3), rng.random(3) + 0.5])
    inputs = tf.constant(rng.normal(2.0, 3.0, (4, 6, 10, 3)).astype(np.float32))
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        found = layer(inputs, training=training)
        loss = tf.reduce_sum(found * tf.sin(inputs))
    gradients = tape.gradient(loss, [inputs, *(v.value for v in layer.trainable_variables)])
    return (found, *gradients, *layer.get_weights())


@pytest.mark.parametrize("training", [True, False])
def test_results_gradients_and_moving_averages_are_those_of_keras(training: bool) -> None:
    for ours, theirs in zip(
        trained(FusedBatchNorm, training), trained(layers.BatchNormalization, training), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=2e-4, atol=2e-5)


def test_a_frozen_layer_normalises_by_its_moving_averages() -> None:
    layer = FusedBatchNorm(name="norm")
    layer.build((None, 2, 2, 1))
    layer.trainable = False
    inputs = tf.constant(np.arange(4, dtype=np.float32).reshape(1, 2, 2, 1))
    before = layer.get_weights()
    np.testing.assert_allclose(layer(inputs, training=True), inputs / np.sqrt(1.001), rtol=1e-5)
    for one, other in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_keras_gets_its_own_layer_of_the_same_settings() -> None:
    plain = as_keras_has_it(FusedBatchNorm(momentum=0.8, name="norm"))
    assert type(plain) is layers.BatchNormalization
    assert (plain.momentum, plain.name) == (0.8, "norm")
