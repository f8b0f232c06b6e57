"""What an older trainer of this kind got wrong, one test each that would fail on it; and what the new terms promise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from htr_gan.alphabet import LOWERCASE
from htr_gan.config.loss_section import LossConfig
from htr_gan.config.model_section import RecognizerModelConfig
from htr_gan.config.schema import GanConfig
from htr_gan.data.order import line_indices, line_visits
from htr_gan.metrics.text import character_error_rate
from htr_gan.models.discriminator import build_discriminator
from htr_gan.models.reading import read_greedy
from htr_gan.models.unet import build_generator
from htr_gan.training.checkpoint_folder import state_sha256
from htr_gan.training.clean_targets import TargetCache
from htr_gan.training.restoration_gan import RestorationGan, TextPlan
from htr_gan.training.stepped import variable_arrays
from tests.htr_gan.small_gan import TEXTS, changed, small_recogniser, small_task, take_steps

ALL = {"pixel": 10.0, "rec_feat": 5.0, "ctc": 0.1, "adv": 1.0, "contrastive": 1.0}


def recogniser_sha256(recogniser: Any) -> str:
    return state_sha256({str(number): np.asarray(v.numpy()) for number, v in enumerate(recogniser.variables)})


def test_the_frozen_recogniser_is_frozen(gan_config: GanConfig) -> None:
    """There: called with training=True, so dropout is on and the moving averages of batch norm drift."""
    shape = RecognizerModelConfig(width=2, lstm=4, dropout=0.5)
    recogniser = small_recogniser(gan_config, shape)
    task = small_task(changed(gan_config, "loss", **ALL), recogniser)
    before = recogniser_sha256(recogniser)
    take_steps(task, gan_config, 0, 3)
    for batch in task.held_out_batches():
        task.model.test_step(batch)
    task.error_rates()
    assert recogniser_sha256(recogniser) == before, "weights, moving averages and seeds of dropout"
    assert recogniser.trainable_variables == []
    assert not any(name.startswith("recogniser") for name in variable_arrays(task.model))


def one_term_gan(recogniser: Any, loss: LossConfig) -> RestorationGan:
    keras.utils.set_random_seed(3)
    model = RestorationGan(
        build_generator(16, 64, channels=2, levels=1, norm="none"),
        build_discriminator(16, 64, text_length=7, tokens=29, channels=2, text_lstm=4),
        recogniser,
        loss,
        TextPlan(LOWERCASE.begin, 6),
        accumulation=1,
        label_smoothing=0.1,
    )
    model.compile_with(keras.optimizers.SGD(1.0, clipnorm=1.0, name="g"), keras.optimizers.SGD(1.0, name="d"))
    return model


def noise_batch() -> dict[str, Any]:
    lines = np.random.default_rng(0).uniform(size=(2, 4, 16, 64, 1)).astype(np.float32)
    labels = LOWERCASE.encode_padded(TEXTS[:4], 6)
    return {"clean": tf.constant(lines[0]), "degraded": tf.constant(lines[1]), "labels": tf.constant(labels)}


def steps_taken(model: RestorationGan, batch: dict[str, Any]) -> tuple[dict[str, float], dict[str, float]]:
    """The losses of a step, and how far it moved each variable of the generator."""
    before = [variable.numpy() for variable in model.generator.trainable_variables]
    losses = {name: float(value) for name, value in model.train_step(batch).items()}
    moved = zip(model.generator.trainable_variables, before, strict=True)
    return losses, {variable.path: float(np.linalg.norm(variable.numpy() - old)) for variable, old in moved}


def test_a_large_ctc_loss_still_has_a_gradient(gan_config: GanConfig) -> None:
    """There: clipped to 300, above which the gradient is exactly 0, so that CTC never moved."""
    recogniser = small_recogniser(gan_config)
    kernel = recogniser.get_layer("rec_logits").kernel
    kernel.assign(kernel * 1000.0)
    model = one_term_gan(recogniser, LossConfig(pixel=0, rec_feat=0, adv=0, ctc=1))
    losses, moved = steps_taken(model, noise_batch())
    assert losses["loss/ctc"] > 300
    assert all(distance > 0 for distance in moved.values())


def test_gradients_are_clipped_once(gan_config: GanConfig) -> None:
    """There: the norm of all gradients together first, then that of each, so that nearly nothing is left."""
    model = one_term_gan(small_recogniser(gan_config), LossConfig(pixel=1e6, rec_feat=0, adv=0, ctc=0))
    _, moved = steps_taken(model, noise_batch())
    assert all(distance == pytest.approx(1.0, rel=1e-3) for distance in moved.values()), moved


def test_optimizers_of_a_task_clip_once(gan_config: GanConfig) -> None:
    for optimizer in small_task(changed(gan_config, "loss", **ALL)).model.optimizers().values():
        assert optimizer.clipnorm == gan_config.train.clipnorm
        assert (optimizer.global_clipnorm, optimizer.clipvalue) == (None, None)


def test_errors_are_counted_against_the_transcription_and_over_the_corpus(gan_config: GanConfig) -> None:
    """There: against the recogniser's own reading of the clean line, and as a mean of ratios."""
    recogniser = small_recogniser(gan_config)
    task = small_task(gan_config, recogniser)
    readings = task.model.readings
    assert readings is not None
    own = [read_greedy(recogniser(batch["clean"], training=False)["logits"]) for batch in task.held_out_batches()]
    readings.write(tf.range(8), tf.concat(own, axis=0))
    assert task.error_rates()["val/cer"] > 0.5, "an untrained recogniser agrees with itself, not with the text"
    right = LOWERCASE.encode_padded(TEXTS, 16)
    readings.write(tf.range(8), tf.constant(right))
    assert task.error_rates()["val/cer"] == 0.0
    right[2, :10] = LOWERCASE.encode("bbbbbbbbbb")
    readings.write(tf.range(8), tf.constant(right))
    letters = sum(map(len, TEXTS))
    assert task.error_rates()["val/cer"] == pytest.approx(10 / letters), "one bad line of one letter is not 1000 %"
    assert character_error_rate(["", "abcd"], ["x", "abcd"]) == pytest.approx(1 / 5)


def test_double_letters_of_a_transcription_stay(gan_config: GanConfig) -> None:
    """There: the rules for CTC output, which merge repeats, were applied to labels."""
    task = small_task(gan_config)
    indices = line_indices(8, gan_config.seed, 0, 2, 4)
    (first, second) = (batch["labels"].numpy() for batch in task.batches(line_visits(8, gan_config.seed, 0, 2, 4)))
    decoded = [LOWERCASE.decode(row) for row in np.concatenate([first, second])]
    assert decoded == [TEXTS[index] for index in indices.ravel()]
    assert {"letter", "off", "see"} <= set(decoded)
    logits = np.full((1, 6, LOWERCASE.classes), -9.0, np.float32)
    for step, label in enumerate([*LOWERCASE.encode("of"), 0, *LOWERCASE.encode("f")]):
        logits[0, step, label] = 9.0
    logits[0, 4:, 0] = 9.0
    assert LOWERCASE.decode(read_greedy(tf.constant(logits)).numpy()[0]) == "off", "a blank between keeps both"


def test_every_line_is_seen_and_from_anywhere_in_the_set() -> None:
    """There: a shuffle buffer smaller than the set, so that late lines never came early."""
    order = line_indices(5000, 1, 0, 50, 100).ravel()
    assert sorted(order) == list(range(5000))
    early = order[:500]
    assert (early > 4000).sum() > 50, "lines of the last fifth come in the first tenth too"


def test_a_training_taken_up_within_an_epoch_ends_with_the_same_bytes(gan_config: GanConfig) -> None:
    """There: neither epoch nor optimizers nor order were kept. Here also with every term and two passes."""
    config = changed(changed(gan_config, "loss", **ALL, ctc_warmup_epochs=1, ctc_anneal_epochs=2), "model", passes=2)
    whole = small_task(config)
    whole.begin_epoch(1)
    take_steps(whole, config, 0, 1)
    kept, means = variable_arrays(whole.model), whole.model.partial_means()
    assert any(name.startswith("contrast/") for name in kept)
    assert any(name.startswith("contrast_optimizer/") for name in kept)
    losses = take_steps(whole, config, 1, 2)
    resumed = small_task(config)
    for name, variable in resumed.model.state_variables().items():
        variable.assign(kept[name])
    resumed.model.restore_means(means)
    resumed.begin_epoch(1)
    assert take_steps(resumed, config, 1, 2) == losses
    assert state_sha256(variable_arrays(resumed.model)) == state_sha256(variable_arrays(whole.model))


def test_ctc_comes_in_with_the_epochs(gan_config: GanConfig) -> None:
    loss = {"pixel": 1.0, "rec_feat": 0.0, "adv": 0.0, "ctc": 2.0, "ctc_warmup_epochs": 1, "ctc_anneal_epochs": 1}
    config = changed(changed(gan_config, "loss", **loss), "train", lr=1e-12)
    task = small_task(config)
    shares = []
    for epoch in (0, 1, 2, 1):
        task.begin_epoch(epoch)
        for mean in task.model.metrics:
            mean.reset_state()
        (values,) = take_steps(task, config, 0, 1)
        assert values["loss/ctc"] > 1, "told also while it has no weight"
        shares.append((values["loss/total"] - values["loss/pixel"]) / (2 * values["loss/ctc"]))
    assert shares == pytest.approx([0.0, 0.5, 1.0, 0.5], abs=1e-3)
    assert not any("ctc_share" in name for name in variable_arrays(task.model)), "it follows from the epoch"


def test_the_discriminator_may_see_transcriptions(gan_config: GanConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    config = changed(gan_config, "loss", pixel=0.0, rec_feat=0.0, adv=1.0)
    task = small_task(changed(config, "model", discriminator_text="ground_truth"))
    seen: list[Any] = []
    judge = task.model.discriminator

    def remember(pair: dict[str, Any], training: bool) -> Any:
        seen.append(pair["text"].numpy())
        return judge(pair, training=training)

    remember.layers = judge.layers  # type: ignore[attr-defined]
    remember.trainable_variables = judge.trainable_variables  # type: ignore[attr-defined]
    object.__setattr__(task.model, "discriminator", remember)
    object.__setattr__(task.model, "recogniser", None)  # nobody asks it
    take_steps(task, config, 0, 1)
    texts = [TEXTS[index] for index in line_indices(8, config.seed, 0, 1, 4).ravel()]
    assert [LOWERCASE.decode(row) for row in seen[0]] == texts * 2
    assert (seen[0][:, 0] == LOWERCASE.begin).all()


def test_kept_targets_give_the_losses_of_those_computed_in_the_step(gan_config: GanConfig, tmp_path: Path) -> None:
    notes: list[str] = []
    cache = TargetCache(tmp_path, "a" * 64, lambda: None, lambda message, level: notes.append(message))
    (kept,) = take_steps(small_task(gan_config, cache=cache), gan_config, 0, 1)
    fresh = changed(gan_config, "recognizer", keep_features=False)
    (computed,) = take_steps(small_task(fresh, cache=cache), gan_config, 0, 1)
    assert kept == pytest.approx(computed, rel=2e-3)
    assert any("each step computes" in note for note in notes)


def test_a_cache_that_cannot_be_written_is_told_and_does_not_end_the_training(
    gan_config: GanConfig, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    notes: list[tuple[str, str]] = []
    cache = TargetCache(
        tmp_path / "file", "a" * 64, lambda: None, lambda message, level: notes.append((message, level))
    )
    (values,) = take_steps(small_task(gan_config, cache=cache), gan_config, 0, 1)
    assert values["loss/rec_feat"] > 0
    ((message, level),) = notes
    assert level == "warning"
    assert "cannot be kept" in message


def pixel_changes(config: GanConfig, norm: str, accumulation: int) -> dict[str, Any]:
    """The generator after one step on all eight lines, in so many parts."""
    config = changed(changed(config, "model", norm=norm), "loss", pixel=1.0, rec_feat=0.0, adv=0.0)
    config = changed(config, "train", batch=8, accumulation=accumulation)
    task = small_task(config)
    task.model.compile_with(keras.optimizers.SGD(0.1, name="g"), keras.optimizers.SGD(0.1, name="d"))
    take_steps(task, config, 0, 1)
    return variable_arrays(task.model)


@pytest.mark.parametrize("norm", ["group", "batch"])
def test_parts_have_the_gradient_of_the_whole_unless_batch_norm_stands_between(
    gan_config: GanConfig, norm: str
) -> None:
    whole, parts = (pixel_changes(gan_config, norm, accumulation) for accumulation in (1, 2))
    kernels = [name for name in whole if name.startswith("generator/") and name.endswith("kernel")]
    apart = max(float(np.abs(whole[name] - parts[name]).max()) for name in kernels)
    assert apart < 1e-7 if norm == "group" else apart > 1e-7


def test_contrastive_loss_compares_within_a_part(gan_config: GanConfig) -> None:
    """What the note about accumulation says: the mean of the parts' losses, with fewer negatives each."""
    config = changed(gan_config, "loss", pixel=0.0, rec_feat=0.0, adv=0.0, contrastive=1.0)
    config = changed(config, "model", norm="group")
    values = []
    for accumulation in (1, 2):
        plan = changed(config, "train", batch=8, accumulation=accumulation)
        (losses,) = take_steps(small_task(plan), plan, 0, 1)
        values.append(losses["loss/contrastive"])
    assert values[1] < values[0] - 0.3, "chance is the logarithm of 4 instead of 8"
