"""The contrastive loss, the warm-up of CTC, and that every loss is computed in float32."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from htr_gan.config.loss_section import LossConfig
from htr_gan.losses import (
    adversarial_loss,
    contrastive_loss,
    ctc_loss,
    discriminator_loss,
    feature_loss,
    pixel_loss,
    warmed_up,
)


def vectors(rows: int, seed: int) -> Any:
    return np.random.default_rng(seed).normal(size=(rows, 6)).astype(np.float32)


def texts(rows: int) -> Any:
    return tf.constant([[row + 1, 2, 0] for row in range(rows)])


def info_nce(lines: Any, others: Any, temperature: float) -> float:
    """The definition, written down with NumPy."""
    lines, others = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in (lines, others))
    alike = lines @ others.T / temperature
    to_text = np.diag(alike) - np.log(np.exp(alike).sum(axis=1))
    to_line = np.diag(alike) - np.log(np.exp(alike).sum(axis=0))
    return float(-(to_text + to_line).mean() / 2)


@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_contrastive_loss_equals_its_definition(temperature: float) -> None:
    lines, others = vectors(5, 0), vectors(5, 1)
    found = float(contrastive_loss(lines, others, texts(5), temperature))
    assert found == pytest.approx(info_nce(lines, others, temperature), rel=1e-4)


def test_contrastive_loss_at_chance_at_its_best_and_of_one_line() -> None:
    same = np.ones((4, 6), np.float32)
    assert float(contrastive_loss(same, same, texts(4), 0.1)) == pytest.approx(math.log(4), rel=1e-5)
    apart = np.eye(4, 6, dtype=np.float32)
    assert float(contrastive_loss(apart, apart, texts(4), 0.1)) < 1e-3
    assert float(contrastive_loss(vectors(1, 0), vectors(1, 1), texts(1), 0.1)) == 0.0


def test_a_line_with_the_same_text_is_no_negative() -> None:
    lines, others = vectors(3, 0), vectors(3, 1)
    others[1] = others[0]
    twins = tf.constant([[1, 2, 0], [1, 2, 0], [3, 0, 0]])
    strangers = tf.constant([[1, 2, 0], [1, 2, 3], [3, 0, 0]])
    found = float(contrastive_loss(lines, others, twins, 0.1))
    assert math.isfinite(found)
    assert found < float(contrastive_loss(lines, others, strangers, 0.1)) - 0.1


def test_contrastive_loss_pulls_a_line_to_its_own_text() -> None:
    lines, others = tf.Variable(vectors(4, 0)), tf.constant(vectors(4, 1))
    values = []
    for _ in range(30):
        with tf.GradientTape() as tape:
            loss = contrastive_loss(lines, others, texts(4), 0.1)
        values.append(float(loss))
        lines.assign_sub(0.2 * tape.gradient(loss, lines))
    assert values[-1] < 0.2 * values[0]


def test_warm_up_and_annealing_over_epochs() -> None:
    assert [warmed_up(epoch, 2, 3) for epoch in range(7)] == [0.0, 0.0, 0.25, 0.5, 0.75, 1.0, 1.0]
    assert [warmed_up(epoch, 2, 0) for epoch in range(4)] == [0.0, 0.0, 1.0, 1.0]
    assert warmed_up(0, 0, 0) == 1.0


@given(st.integers(0, 50), st.integers(0, 20), st.integers(0, 20))
def test_the_share_never_falls_and_ends_at_one(epoch: int, warmup: int, anneal: int) -> None:
    assert 0.0 <= warmed_up(epoch, warmup, anneal) <= warmed_up(epoch + 1, warmup, anneal) <= 1.0
    assert warmed_up(warmup + anneal, warmup, anneal) == 1.0


def test_terms_in_force_are_those_with_a_weight() -> None:
    config = LossConfig(pixel=200, rec_feat=0, ctc=1, adv=0, contrastive=1, temperature=0.2, ctc_warmup_epochs=3)
    assert config.weights() == {"pixel": 200, "ctc": 1, "contrastive": 1}


def test_losses_of_half_precision_values_are_float32() -> None:
    rng = np.random.default_rng(0)
    half = tf.constant(rng.uniform(size=(2, 8, 5)).astype(np.float32), tf.bfloat16)
    full = tf.cast(half, tf.float32)
    labels = tf.constant([[1, 2, 0], [3, 0, 0]])
    pairs = [
        (pixel_loss(half, full[:, ::-1]), pixel_loss(full, full[:, ::-1])),
        (feature_loss(half, full[:, ::-1]), feature_loss(full, full[:, ::-1])),
        (ctc_loss(half, labels), ctc_loss(full, labels)),
        (adversarial_loss(half), adversarial_loss(full)),
        (discriminator_loss(half, half, 0.1), discriminator_loss(full, full, 0.1)),
        (contrastive_loss(half[:, 0], half[:, 1], labels, 0.1), contrastive_loss(full[:, 0], full[:, 1], labels, 0.1)),
    ]
    for found, expected in pairs:
        assert found.dtype == tf.float32
        assert float(found) == pytest.approx(float(expected), rel=1e-6)
