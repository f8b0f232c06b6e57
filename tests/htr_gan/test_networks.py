"""Networks, reading and losses on arrays that are made here; nothing is trained."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from htr_gan.config.model_section import RecognizerModelConfig
from htr_gan.losses import adversarial_loss, ctc_loss, discriminator_loss, feature_loss, pixel_loss
from htr_gan.metrics.picture import psnr, ssim
from htr_gan.metrics.text import character_error_rate, word_error_rate
from htr_gan.models.discriminator import build_discriminator, normalise_spectrum
from htr_gan.models.reading import collapse, read_greedy, with_begin
from htr_gan.models.recogniser import build_recogniser
from htr_gan.models.unet import build_generator

SMALL = RecognizerModelConfig(width=2, lstm=4)


def random_ids(rows: int = 64, steps: int = 128, classes: int = 6) -> Any:
    return np.random.default_rng(0).integers(0, classes, size=(rows, steps)).astype(np.int32)


def test_collapse_equals_a_loop_in_python() -> None:
    ids = random_ids()
    for row, collapsed in zip(ids, collapse(tf.constant(ids)).numpy(), strict=True):
        expected = [label for label, _ in groupby(row.tolist()) if label != 0]
        assert collapsed[: len(expected)].tolist() == expected
        assert not collapsed[len(expected) :].any()


def test_texts_for_the_discriminator_are_right_padded_and_never_empty() -> None:
    ids = np.concatenate([random_ids(), np.zeros((3, 128), np.int32)])
    mask = with_begin(collapse(tf.constant(ids)), begin=7, length=22).numpy() != 0
    assert mask.shape == (67, 23)
    assert mask[:, 0].all(), "an empty reading still has its begin"
    assert (np.diff(mask.astype(int), axis=1) <= 0).all(), "no gap within a text"


def test_reading_takes_the_likeliest_label() -> None:
    logits = np.full((1, 6, 4), -5.0, np.float32)
    for step, label in enumerate([2, 2, 0, 2, 3, 3]):
        logits[0, step, label] = 5.0
    assert read_greedy(tf.constant(logits)).numpy().tolist() == [[2, 2, 3, 0, 0, 0]]


def test_shapes_and_ranges() -> None:
    lines = tf.random.uniform((2, 32, 64, 1), seed=1)
    restored = build_generator(32, 64, channels=2, levels=3)(lines)
    assert restored.shape == (2, 32, 64, 1)
    assert float(tf.reduce_min(restored)) > 0.5, "starts near white paper"
    seen = build_recogniser(32, 64, 28, SMALL)(restored)
    assert seen["logits"].shape == (2, 16, 28)
    assert seen["features"].shape == (2, 4, 16, 8)
    judge = build_discriminator(32, 64, text_length=7, tokens=29, channels=2, text_lstm=4)
    assert judge({"line": restored, "text": tf.ones((2, 7), tf.int32)}).shape == (2, 1)


def test_the_tiny_networks_have_the_size_the_docs_say() -> None:
    assert build_generator(32, 256).count_params() == 272_749
    assert 150_000 < build_recogniser(32, 256, 28).count_params() < 158_000


@pytest.mark.parametrize(("use_cudnn", "expected"), [(True, "auto"), (False, False)])
def test_use_cudnn_reaches_every_lstm(use_cudnn: bool, expected: object) -> None:
    judge = build_discriminator(16, 64, text_length=7, tokens=29, channels=2, text_lstm=4, use_cudnn=use_cudnn)
    assert judge.get_layer("dis_read").use_cudnn == expected
    both = build_recogniser(16, 64, 28, SMALL, use_cudnn=use_cudnn).get_layer("rec_context")
    assert (both.forward_layer.use_cudnn, both.backward_layer.use_cudnn) == (expected, expected)


def test_padding_of_a_text_says_nothing_to_the_discriminator() -> None:
    line = tf.random.uniform((1, 16, 64, 1), seed=1)
    judge = build_discriminator(16, 64, text_length=7, tokens=29, channels=2, text_lstm=4)
    short = build_discriminator(16, 64, text_length=4, tokens=29, channels=2, text_lstm=4)
    short.set_weights(judge.get_weights())
    padded = judge({"line": line, "text": tf.constant([[28, 3, 4, 0, 0, 0, 0]])})
    cut = short({"line": line, "text": tf.constant([[28, 3, 4, 0]])})
    np.testing.assert_allclose(padded, cut, atol=1e-6)
    other = judge({"line": line, "text": tf.constant([[28, 4, 3, 0, 0, 0, 0]])})
    assert abs(float(other[0, 0]) - float(padded[0, 0])) > 1e-6, "the text matters"


def test_normalised_kernels_have_norm_one() -> None:
    judge = build_discriminator(16, 64, text_length=7, tokens=29, channels=4)
    for _ in range(30):
        normalise_spectrum(judge)
    for name in ("dis1", "dis2", "dis3"):
        kernel = judge.get_layer(name).layer.kernel.numpy()
        norm = np.linalg.norm(kernel.reshape(-1, kernel.shape[-1]), 2)
        assert norm == pytest.approx(1.0, abs=0.05)


def test_pixel_and_feature_losses() -> None:
    assert float(pixel_loss(tf.constant([[0.0, 1.0]]), tf.constant([[0.5, 1.0]]))) == pytest.approx(0.25)
    half = tf.constant([[1.0, 3.0]], tf.float16)
    assert float(feature_loss(tf.constant([[1.0, 1.0]]), half)) == pytest.approx(2.0)


def test_ctc_equals_the_dense_implementation() -> None:
    rng = np.random.default_rng(0)
    logits = tf.constant(rng.normal(size=(3, 16, 5)).astype(np.float32) * 5)
    labels = tf.constant([[1, 2, 2, 0], [4, 0, 0, 0], [3, 1, 3, 1]])
    dense = tf.nn.ctc_loss(
        labels=labels,
        logits=logits,
        label_length=tf.constant([3, 1, 4]),
        logit_length=tf.fill([3], 16),
        logits_time_major=False,
        blank_index=0,
    )
    np.testing.assert_allclose(ctc_loss(logits, labels), tf.reduce_mean(dense), rtol=1e-4)


@pytest.mark.parametrize("scale", [60.0, 3000.0])
def test_ctc_far_from_the_truth_is_large_finite_and_has_a_gradient(scale: float) -> None:
    wrong = np.zeros((1, 16, 5), np.float32)
    wrong[:, :, 4] = scale
    logits = tf.Variable(wrong)
    with tf.GradientTape() as tape:
        loss = ctc_loss(logits, tf.constant([[1, 2, 3, 1, 2, 3]]))
    assert 300 < float(loss) < 2000
    gradient = tape.gradient(loss, logits).numpy()
    assert np.isfinite(gradient).all()
    assert np.abs(gradient).max() > 0.1


def test_adversarial_losses_pull_in_opposite_directions() -> None:
    low, high = tf.constant([[-3.0]]), tf.constant([[3.0]])
    assert float(adversarial_loss(low)) > float(adversarial_loss(high))
    assert float(discriminator_loss(high, low, 0.0)) < float(discriminator_loss(low, high, 0.0))
    assert float(discriminator_loss(tf.constant([[20.0]]), low, 0.1)) > float(discriminator_loss(high, low, 0.1))


def test_picture_metrics() -> None:
    clean = tf.ones((2, 16, 32, 1))
    off = tf.concat([clean[:1], clean[1:] * 0.9], axis=0)
    values = psnr(off, clean).numpy()
    assert values[0] == 100.0
    assert values[1] == pytest.approx(20.0, abs=1e-3)
    assert ssim(clean, clean).numpy().tolist() == pytest.approx([1.0, 1.0])


def test_error_rates_are_of_the_corpus() -> None:
    assert character_error_rate(["ab", ""], ["abcd", "x"]) == pytest.approx(3 / 5)
    assert word_error_rate(["the cat", "a"], ["the dog", "a"]) == pytest.approx(1 / 3)
    assert character_error_rate(["aaaa"], ["a"]) == pytest.approx(3.0), "may exceed 1"
    with pytest.raises(ValueError, match="not empty"):
        character_error_rate([""], [""])
