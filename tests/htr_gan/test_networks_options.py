"""The options of the networks: families of recognisers, generators, discriminators, the contrastive network."""

from __future__ import annotations

import hashlib
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from pydantic import ValidationError

from htr_gan.config.model_section import Family, RecognizerModelConfig
from htr_gan.models.context import position_table
from htr_gan.models.contrast import build_contrast
from htr_gan.models.discriminator import build_discriminator, normalise_spectrum
from htr_gan.models.recogniser import build_recogniser
from htr_gan.models.unet import build_generator
from htr_gan.training.stepped import learned_variables

FAMILIES: tuple[Family, ...] = ("conv", "resnet18", "efficientnet-b0", "ctc", "transformer")


def small(family: Family, **more: Any) -> RecognizerModelConfig:
    sizes = {"width": 4, "lstm": 4, "encoder_layers": 2, "heads": 2, "d_model": 8, "feed_forward": 8}
    return RecognizerModelConfig.model_validate({"family": family, **sizes, **more})


def lines(rows: int = 2, height: int = 32, width: int = 64) -> Any:
    return tf.constant(np.random.default_rng(0).uniform(size=(rows, height, width, 1)).astype(np.float32))


def digest(network: Any) -> str:
    names = "\n".join(f"{variable.path} {tuple(variable.shape)}" for variable in learned_variables(network))
    return hashlib.sha256(names.encode()).hexdigest()[:16]


def test_networks_of_earlier_checkpoints_still_have_their_names_and_shapes() -> None:
    assert digest(build_generator(32, 256)) == "8fea541e6ec9506a"
    assert digest(build_discriminator(32, 256, text_length=23, tokens=29)) == "9bb556a56dca967a"
    assert digest(build_recogniser(32, 256, 28)) == "d73c38d8ad707954"
    recorded = RecognizerModelConfig.model_validate({"width": 16, "lstm": 64})
    assert digest(build_recogniser(32, 256, 28, recorded)) == "d73c38d8ad707954", "what old recognisers recorded"


@pytest.mark.parametrize("columns", [4, 8])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_reads_one_step_for_so_many_columns(family: Family, columns: int) -> None:
    shape = small(family, step_columns=columns, deep=True)
    assert shape.columns_per_step == columns
    recogniser = build_recogniser(32, 64, 9, shape)
    with tf.GradientTape() as tape:
        seen = recogniser(lines(), training=True)
        loss = tf.reduce_mean(tf.square(seen["logits"] - 1.0))
    assert seen["logits"].shape == (2, 64 // columns, 9)
    assert seen["features"].shape[2] == 64 // columns
    assert np.isfinite(seen["logits"].numpy()).all()
    variables = recogniser.trainable_variables
    gradients = zip(variables, tape.gradient(loss, variables), strict=True)
    assert [variable.path for variable, gradient in gradients if gradient is None] == []


@pytest.mark.parametrize("family", FAMILIES)
def test_heights_that_the_strides_do_not_divide_are_read_too(family: Family) -> None:
    assert build_recogniser(48, 64, 9, small(family))(lines(1, 48))["logits"].shape == (1, 16, 9)


def test_names_of_variables_are_the_same_each_time_a_family_is_built() -> None:
    for family in ("ctc", "transformer"):
        assert digest(build_recogniser(16, 64, 9, small(family))) == digest(build_recogniser(16, 64, 9, small(family)))


def test_full_size_presets_have_the_sizes_that_the_docs_say() -> None:
    laptop = RecognizerModelConfig(width=24, deep=True, lstm=128, lstm_layers=2)
    assert build_recogniser(48, 768, 81, laptop).count_params() == 987_465
    assert build_generator(48, 768, channels=16).count_params() == 483_857


def test_lstms_stack_and_each_keeps_off_cudnn_when_told() -> None:
    recogniser = build_recogniser(16, 64, 9, small("resnet18", lstm_layers=3), use_cudnn=False)
    for name in ("rec_context", "rec_context2", "rec_context3"):
        both = recogniser.get_layer(name)
        assert (both.forward_layer.use_cudnn, both.backward_layer.use_cudnn) == (False, False)


def test_family_ctc_has_no_recurrence() -> None:
    kinds = {type(layer).__name__ for layer in build_recogniser(16, 64, 9, small("ctc", lstm_layers=2)).layers}
    assert not kinds & {"Bidirectional", "LSTM", "GRU"}
    assert "Conv1D" in kinds


@pytest.mark.parametrize("family", ["conv", "transformer"])
def test_dropout_is_for_training_alone(family: Family) -> None:
    recogniser = build_recogniser(16, 64, 9, small(family, dropout=0.5))
    x = lines(1, 16)
    first, second = (recogniser(x, training=False)["logits"].numpy() for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert (recogniser(x, training=True)["logits"].numpy() != recogniser(x, training=True)["logits"].numpy()).any()


def test_positions_are_told_apart() -> None:
    table = position_table(64, 8)
    assert table.shape == (64, 8)
    assert np.abs(table).max() <= 1
    assert len({row.tobytes() for row in table}) == 64


def test_heads_must_divide_the_model() -> None:
    with pytest.raises(ValidationError, match="not a multiple of heads"):
        RecognizerModelConfig(family="transformer", d_model=10, heads=4)


@pytest.mark.parametrize(
    "options",
    [{"residual": True}, {"attention": True}, {"norm": "group"}, {"norm": "none"}, {"passes": 2}],
    ids=lambda options: "-".join(options),
)
def test_generator_options_keep_shape_range_and_gradients(options: dict[str, Any]) -> None:
    keras.utils.set_random_seed(1)
    generator = build_generator(16, 64, channels=4, levels=2, **options)
    with tf.GradientTape() as tape:
        restored = generator(lines(2, 16), training=True)
        loss = tf.reduce_mean(restored)
    assert restored.shape == (2, 16, 64, 1)
    assert restored.dtype == tf.float32
    assert 0.0 <= float(tf.reduce_min(restored)) <= float(tf.reduce_max(restored)) <= 1.0
    assert np.median(restored) > 0.7, "starts near white paper"
    gradients = tape.gradient(loss, generator.trainable_variables)
    assert all(gradient is not None for gradient in gradients)


def test_the_second_pass_sees_the_line_and_the_first_result() -> None:
    keras.utils.set_random_seed(1)
    generator = build_generator(16, 64, channels=4, levels=1, passes=2)
    once = keras.Model(generator.input, generator.get_layer("restored").output)
    kernel = generator.get_layer("second_down0a_conv").kernel
    assert kernel.shape[2] == 2, "two pictures in"
    before, first = generator(lines(1, 16)).numpy(), once(lines(1, 16)).numpy()
    kernel.assign(kernel * np.array([1.0, 0.0]).reshape(1, 1, 2, 1))
    assert np.abs(generator(lines(1, 16)).numpy() - before).max() > 1e-6, "it used the first result"
    np.testing.assert_array_equal(once(lines(1, 16)).numpy(), first)
    own = {variable.path for variable in generator.trainable_variables}
    assert len([path for path in own if path.startswith("second_")]) * 2 == len(own), "weights of its own"


def test_a_closed_gate_lets_nothing_of_the_skip_through() -> None:
    keras.utils.set_random_seed(1)
    generator = build_generator(16, 64, channels=4, levels=1, attention=True, norm="none")
    gated = keras.Model(generator.input, generator.get_layer("up0_gated").output)
    weight = generator.get_layer("up0_gate_weight")
    opened = gated(lines(1, 16)).numpy()
    weight.bias.assign([-100.0])
    assert np.abs(opened).max() > 0
    assert np.abs(gated(lines(1, 16)).numpy()).max() < 1e-20


def test_group_norm_looks_at_each_line_alone() -> None:
    generator = build_generator(16, 64, channels=4, levels=1, norm="group")
    together = generator(lines(4, 16), training=True)[:1].numpy()
    alone = generator(lines(4, 16)[:1], training=True).numpy()
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_discriminator_options() -> None:
    sizes: dict[str, Any] = {"text_length": 7, "tokens": 29, "channels": 2, "text_lstm": 4}
    pooled = build_discriminator(32, 64, levels=4, **sizes)
    flat = build_discriminator(32, 64, levels=4, pool="flatten", dense=6, **sizes)
    assert flat.get_layer("dis_flat_dense").kernel.shape == (2 * 4 * 16, 6)
    normalise_spectrum(flat)
    pair = {"line": lines(), "text": tf.ones((2, 7), tf.int32)}
    assert pooled(pair).shape == flat(pair).shape == (2, 1)
    assert not any(layer.name.startswith("dis_flat") for layer in pooled.layers)
    assert pooled.get_layer("dis4").layer.filters == 16


def test_contrast_reads_texts_and_not_their_padding() -> None:
    features = tf.random.stateless_uniform((2, 2, 8, 6), seed=(1, 2))
    contrast = build_contrast((2, 8, 6), text_length=7, tokens=29, units=4)
    short = build_contrast((2, 8, 6), text_length=4, tokens=29, units=4)
    short.set_weights(contrast.get_weights())
    texts = tf.constant([[28, 3, 4, 0, 0, 0, 0], [28, 4, 3, 0, 0, 0, 0]])
    met = contrast({"features": features, "text": texts})
    assert met["line"].shape == met["text"].shape == (2, 8)
    np.testing.assert_allclose(short({"features": features, "text": texts[:, :4]})["text"], met["text"], atol=1e-6)
    assert np.abs(met["text"][0] - met["text"][1]).max() > 1e-4, "the order of letters matters"
    empty = contrast({"features": features, "text": tf.constant([[28, 0, 0, 0, 0, 0, 0]] * 2)})
    assert np.isfinite(empty["text"].numpy()).all()


@pytest.mark.parametrize(("use_cudnn", "expected"), [(True, "auto"), (False, False)])
def test_use_cudnn_reaches_the_text_encoder(use_cudnn: bool, expected: object) -> None:
    both = build_contrast((2, 8, 6), text_length=7, tokens=29, units=4, use_cudnn=use_cudnn).get_layer("con_read")
    assert (both.forward_layer.use_cudnn, both.backward_layer.use_cudnn) == (expected, expected)
