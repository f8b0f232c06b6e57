"""Augmentation of a recogniser's lines: which changes, and that they depend on seed, pass and index alone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from htr_gan.config.data_section import DataConfig
from htr_gan.config.load import load_config
from htr_gan.config.schema import RecognizerConfig
from htr_gan.data.augment import AMOUNTS, augment_line, written_columns
from htr_gan.data.fonts import load_faces
from htr_gan.data.live import live_augmented
from htr_gan.data.order import Visits, line_visits
from htr_gan.data.render import Picture, render_line
from htr_gan.errors import ConfigError
from htr_gan.events import EventLog
from htr_gan.stop import StopFlag
from htr_gan.training.checkpoint_folder import find_checkpoint, state_sha256
from htr_gan.training.feeding import step_batches
from htr_gan.training.loop import Loop
from htr_gan.training.shared_recogniser import prepare_recogniser
from htr_gan.training.stepped import variable_arrays

STRONG = AMOUNTS["strong"]


def page(seed: int = 1, width: int = 256) -> Picture:
    return render_line("good sound", load_faces(("kalam",)), 32, width, np.random.default_rng(seed))


@pytest.mark.parametrize("name", AMOUNTS)
def test_seed_pass_and_index_change_a_line_and_nothing_else_does(name: str) -> None:
    line, amounts = page(), AMOUNTS[name]
    once = augment_line(line, amounts, 1, 0, 5)
    augment_line(line, amounts, 1, 7, 3)
    assert np.array_equal(once, augment_line(line.copy(), amounts, 1, 0, 5))
    assert once.shape == line.shape
    assert once.dtype == np.uint8
    others = [augment_line(line, amounts, *visit) for visit in ((2, 0, 5), (1, 1, 5), (1, 0, 6))]
    assert len({once.tobytes(), *(other.tobytes() for other in others)}) == 4


def test_light_changes_less_than_strong() -> None:
    def moved(name: str) -> float:
        made = [augment_line(page(), AMOUNTS[name], 1, 0, index).astype(float) for index in range(30)]
        return float(np.mean([np.abs(one - page()).mean() for one in made]))

    assert 0 < moved("light") < moved("strong")


@given(st.integers(0, 10_000), st.integers(0, 100), st.integers(0, 100))
@settings(max_examples=60, deadline=None)
def test_no_letter_leaves_the_picture(index: int, left: int, right: int) -> None:
    """Two bars stand for the first and last letter: both stay, at all heights, whatever is drawn."""
    line = np.full((32, 256), 255, np.uint8)
    line[4:28, left : left + 4] = 0
    line[4:28, 252 - right : 256 - right] = 0
    made = augment_line(line, STRONG, 1, 0, index).astype(int)
    assert written_columns(line) == (left, 256 - right)
    for row in (9, 16, 23):
        dark = np.flatnonzero(made[row] < (made.max() + made.min()) / 2)
        assert 0.8 * (250 - left - right) < dark[-1] - dark[0] < 1.25 * (256 - left - right)


def test_a_blank_line_stays_blank() -> None:
    blank = np.full((32, 256), 200, np.uint8)
    assert written_columns(blank) == (0, 256)
    assert np.std(augment_line(blank, STRONG, 1, 0, 1).astype(float)) < 8


SCRIPT = """
import hashlib, numpy as np
from htr_gan.data.augment import AMOUNTS, augment_line
line = np.add.outer(np.arange(32), np.arange(128)).astype(np.uint8)
made = [augment_line(line, AMOUNTS["strong"], 3, k // 4, k % 4) for k in ORDER]
print(hashlib.sha256(b"".join(x.tobytes() for _, x in sorted(zip(ORDER, made), key=lambda p: p[0]))).hexdigest())
"""


def test_processes_and_orders_give_the_same_bytes() -> None:
    orders = ("list(range(12))", "list(range(11, -1, -1))")
    prints = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT.replace("ORDER", order)], check=True, capture_output=True, timeout=120
        ).stdout
        for order in orders
    }
    assert len(prints) == 1


def fed(batches: Any) -> list[dict[str, Any]]:
    return [{name: tensor.numpy() for name, tensor in batch.items()} for batch in batches]


def test_batches_hold_what_the_visits_say_and_labels_stay() -> None:
    clean = np.stack([page(seed, 128) for seed in range(6)])
    columns: dict[str, Any] = {"clean": clean, "labels": np.arange(6, dtype=np.int32)}
    data = DataConfig(augment="strong", height=32, width=128, text_length=10)
    live = live_augmented(clean, data, 5)
    visits = line_visits(6, 1, 0, 9, 4)
    batches = fed(step_batches(columns, visits, live))
    assert len(batches) == 9
    for batch, indices, passes in zip(batches, visits.indices, visits.passes, strict=True):
        assert np.array_equal(batch["labels"], indices)
        wanted = [augment_line(clean[i], STRONG, 5, k, i) for i, k in zip(indices, passes, strict=True)]
        assert np.array_equal(batch["clean"][..., 0], np.stack(wanted).astype(np.float32) / np.float32(255.0))
    later = fed(step_batches(columns, Visits(visits.indices[4:], visits.passes[4:]), live))
    assert np.array_equal(later[0]["clean"], batches[4]["clean"])
    assert live_augmented(clean, data.model_copy(update={"augment": "none"}), 5) == {}


def train(config: RecognizerConfig, folder: Path, stop_after: int | None = None) -> str:
    """SHA-256 of everything that training changed; optionally stopped and gone on with after some steps."""
    folder.mkdir()

    def loop() -> Loop:
        stop = StopFlag()
        task = prepare_recogniser(config, EventLog(folder / "events.jsonl"), stop)
        return Loop(task, config, folder, EventLog(folder / "events.jsonl"), stop)

    if stop_after is not None:
        short = config.model_copy(update={"train": config.train.model_copy(update={"epochs": stop_after})})
        first = loop()
        first.config = short
        first.run()
    second = loop()
    if stop_after is not None:
        checkpoint = find_checkpoint(folder)
        assert checkpoint is not None
        second.restore(checkpoint)
    second.run()
    return state_sha256(variable_arrays(second.task.model))


def test_an_interrupted_augmented_training_ends_with_the_same_bytes(
    recognizer_config: RecognizerConfig, tmp_path: Path
) -> None:
    data = recognizer_config.data.model_copy(update={"augment": "strong", "lines": 7})
    config = recognizer_config.model_copy(update={"data": data})
    whole = train(config, tmp_path / "whole")
    assert whole == train(config, tmp_path / "parts", stop_after=1)
    plain = config.model_copy(update={"data": data.model_copy(update={"augment": "none"})})
    assert whole != train(plain, tmp_path / "plain")


def test_augment_is_refused_for_a_gan(write_config: Callable[[str], Path]) -> None:
    with pytest.raises(ConfigError, match=r"data\.augment is for task recognizer"):
        load_config(write_config("task: gan\ndata: {augment: strong}\n"))
    assert load_config(write_config("task: recognizer\ndata: {augment: strong}\n")).data.augment == "strong"
