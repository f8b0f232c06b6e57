"""Accumulated gradients equal those of the large batch, where no batch norm stands between."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from htr_gan.alphabet import LOWERCASE
from htr_gan.config.loss_section import LossConfig
from htr_gan.config.model_section import RecognizerModelConfig
from htr_gan.models.discriminator import build_discriminator
from htr_gan.models.reading import read_greedy, with_begin
from htr_gan.models.recogniser import build_recogniser
from htr_gan.models.unet import build_generator
from htr_gan.training.accumulation import average_over_parts
from htr_gan.training.restoration_gan import RestorationGan, TextPlan
from htr_gan.training.schedule import WarmupCosine


def test_parts_are_averaged_in_structures() -> None:
    batch = {"x": tf.constant([1.0, 2.0, 3.0, 6.0])}

    def compute(part: dict[str, Any]) -> Any:
        return [tf.reduce_mean(part["x"])], {"count": tf.cast(tf.size(part["x"]), tf.float32)}

    means, sizes = average_over_parts(compute, batch, 2, ([tf.constant(0.0)], {"count": tf.constant(0.0)}))
    assert (float(means[0]), float(sizes["count"])) == (3.0, 2.0)


def _model(accumulation: int, recogniser: Any) -> RestorationGan:
    keras.utils.set_random_seed(3)
    model = RestorationGan(
        build_generator(16, 64, channels=2, levels=1, norm="none"),
        build_discriminator(16, 64, text_length=7, tokens=29, channels=2, text_lstm=4),
        recogniser,
        LossConfig(pixel=1, rec_feat=1, ctc=0, adv=1),
        TextPlan(LOWERCASE.begin, 6),
        accumulation=accumulation,
        label_smoothing=0.1,
    )
    model.compile_with(keras.optimizers.SGD(0.1, name="g"), keras.optimizers.SGD(0.1, name="d"))
    return model


def test_a_step_in_two_parts_is_the_step_of_the_whole_batch() -> None:
    keras.utils.set_random_seed(3)
    recogniser = build_recogniser(16, 64, LOWERCASE.classes, RecognizerModelConfig(width=2, lstm=4))
    lines = np.random.default_rng(0).uniform(size=(2, 8, 16, 64, 1)).astype(np.float32)
    seen = recogniser(lines[0], training=False)
    batch = {
        "clean": tf.constant(lines[0]),
        "degraded": tf.constant(lines[1]),
        "clean_features": tf.cast(seen["features"], tf.float16),
        "clean_text": with_begin(read_greedy(seen["logits"]), LOWERCASE.begin, 6),
        "labels": tf.constant(LOWERCASE.encode_padded(["the", "of", "a", "in", "it", "we", "go", "see"], 6)),
    }
    states = []
    for accumulation in (1, 2):
        model = _model(accumulation, recogniser)
        before = {name: variable.numpy() for name, variable in model.state_variables().items()}
        step = tf.function(model.train_step)
        losses = {name: float(value) for name, value in step(batch).items()}
        states.append((losses, {name: variable.numpy() for name, variable in model.state_variables().items()}))
        changed = [name for name, value in states[-1][1].items() if not np.array_equal(value, before[name])]
        assert any(name.startswith("generator/") for name in changed)
        assert any(name.startswith("discriminator/") for name in changed)
    for losses, state in states[1:]:
        assert losses == pytest.approx(states[0][0], rel=1e-4)
        for name, value in state.items():
            np.testing.assert_allclose(value, states[0][1][name], rtol=2e-3, atol=2e-6, err_msg=name)


def test_the_rate_rises_then_falls_to_its_share() -> None:
    rate = WarmupCosine(1e-3, 100, 0.1, 0.02)
    values = [float(rate(step)) for step in range(101)]
    assert values[9] == pytest.approx(1e-3)
    assert all(first < second for first, second in pairwise(values[:10]))
    assert all(first >= second for first, second in pairwise(values[10:]))
    assert values[100] == pytest.approx(2e-5)
