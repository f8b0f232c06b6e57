"""Real degraded lines without a clean side: what they change in a step, and that they do not change what pairs teach."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from htr_gan.alphabet import LOWERCASE
from htr_gan.config.data_section import DataConfig
from htr_gan.config.load import load_config
from htr_gan.config.model_section import RecognizerModelConfig
from htr_gan.config.schema import GanConfig
from htr_gan.data.lines import LineSet
from htr_gan.data.order import line_visits
from htr_gan.data.unpaired import UnpairedLines, load_unpaired
from htr_gan.errors import ConfigError
from htr_gan.losses import ctc_loss, discriminator_loss, feature_loss, pixel_loss
from htr_gan.training.gan_task import GanTask
from htr_gan.training.recogniser_task import new_recogniser
from tests.htr_gan.source_makers import good_rows, write_pack

TINY = {
    "data.height": 16,
    "data.width": 64,
    "data.text_length": 8,
    "model.width": 2,
    "model.levels": 1,
    "train.batch": 4,
}


def config(tmp_path: Path, **more: Any) -> GanConfig:
    path = tmp_path / "gan.yaml"
    path.write_text("task: gan\n", encoding="utf-8")
    found = load_config(path, [f"{key}={value}" for key, value in {**TINY, **more}.items()])
    assert isinstance(found, GanConfig)
    return found


def lines(seed: int, count: int = 4) -> LineSet:
    rng = np.random.default_rng(seed)
    clean, degraded = (rng.integers(0, 256, (count, 16, 64), np.uint8) for _ in range(2))
    return LineSet(clean, degraded, ("the", "of", "a", "in")[:count])


@pytest.mark.parametrize("loss", [pixel_loss, feature_loss])
def test_a_line_counts_by_its_share(loss: Any) -> None:
    rng = np.random.default_rng(1)
    one, other = (tf.constant(rng.random((2, 4, 6, 1), np.float32)) for _ in range(2))
    assert float(loss(one, other, tf.ones(2))) == pytest.approx(float(loss(one, other)), rel=1e-6)
    assert float(loss(one, other, tf.constant([1.0, 0.0]))) == pytest.approx(
        float(loss(one[:1], other[:1])) / 2, rel=1e-6
    )


def test_readings_and_judgements_count_by_share_too() -> None:
    rng = np.random.default_rng(2)
    logits = tf.constant(rng.normal(size=(2, 6, 4)).astype(np.float32))
    labels = tf.constant([[1, 2, 0], [3, 0, 0]])
    share = tf.constant([0.0, 1.0])
    assert float(ctc_loss(logits, labels, share)) == pytest.approx(
        float(ctc_loss(logits[1:], labels[1:])) / 2, rel=1e-5
    )
    real, fake = tf.constant([[3.0], [-5.0]]), tf.constant([[0.0], [0.0]])
    found = float(discriminator_loss(real, fake, 0.1, share=tf.constant([1.0, 0.0])))
    first, chance = float(discriminator_loss(real[:1], fake[:1], 0.1)), float(np.log(2.0))
    assert found == pytest.approx((first - chance) / 2 + chance, rel=1e-4)


def test_pairs_teach_what_they_taught_and_unpaired_lines_are_read(tmp_path: Path) -> None:
    wanted = config(
        tmp_path, **{"loss.adv": 0, "loss.unpaired_ctc": 0.5, "loss.unpaired_pixel": 10, "unpaired.sources": "[x]"}
    )
    recogniser = new_recogniser(wanted.data, RecognizerModelConfig(width=2, lstm=4), LOWERCASE, use_cudnn=False)
    pairs, unpaired = lines(1), UnpairedLines(lines(2), lines(3))
    task = GanTask(wanted, LOWERCASE, recogniser, pairs, pairs, unpaired=unpaired)
    assert task.lines == 8
    (batch,) = task.batches(line_visits(8, 1, 0, 1, 8))
    order = line_visits(8, 1, 0, 1, 8).indices[0]
    assert batch["paired"].numpy().tolist() == [1.0 if number < 4 else 0.0 for number in order]
    terms, _ = task.model._terms(batch["degraded"], batch)
    is_pair = batch["paired"].numpy() == 1.0
    difference = np.abs(batch["degraded"].numpy() - batch["clean"].numpy()).mean(axis=(1, 2, 3))
    assert float(terms["pixel"]) == pytest.approx(difference[is_pair].sum() / 8, rel=1e-5)
    assert float(terms["unpaired_pixel"]) == pytest.approx(difference[~is_pair].sum() / 8, rel=1e-5)
    assert float(terms["unpaired_ctc"]) > 0
    task.model.train_step(batch)
    for held_out in task.held_out_batches():
        task.model.test_step(held_out)
    assert {"val/unpaired_cer", "val/unpaired_degraded_cer"} <= task.error_rates().keys()


def test_unpaired_lines_come_as_found_and_on_white_paper(tmp_path: Path) -> None:
    write_pack(tmp_path / "pack", good_rows())
    wanted = config(tmp_path, **{"loss.unpaired_ctc": 0.5, "unpaired.sources": f"[{tmp_path / 'pack'}]"})
    data = DataConfig(height=32, width=256)
    found = load_unpaired(wanted.unpaired, data, "train", tmp_path / "cache", lambda: None, lambda *_: None)
    assert found.degraded is not None
    assert found.degraded.shape == found.clean.shape == (len(found), 32, 256)
    assert (found.clean != found.degraded).any()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"unpaired.sources": "[x]"}, "unpaired.sources are named"),
        ({"loss.unpaired_ctc": 1}, "need lines"),
        ({"unpaired.select": "{contrast: '>= 3'}"}, "select is for lines"),
    ],
)
def test_lines_without_a_say_and_weights_without_lines_are_refused(
    tmp_path: Path, more: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError) as error:
        config(tmp_path, **more)
    assert message in str(error.value.problems)
