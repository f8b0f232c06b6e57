"""What the recogniser says of clean lines is asked once and kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from htr_gan.config.model_section import RecognizerModelConfig
from htr_gan.errors import StopRequested
from htr_gan.models.reading import read_greedy
from htr_gan.models.recogniser import build_recogniser
from htr_gan.training import clean_targets as module
from htr_gan.training.clean_targets import (
    FEATURES,
    TargetCache,
    clean_targets,
    feature_bytes,
    keeps_features,
    with_features,
)
from htr_gan.training.feeding import ordered_batches


@pytest.fixture(scope="module")
def recogniser() -> Any:
    return build_recogniser(16, 64, 9, RecognizerModelConfig(width=2, lstm=4))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry a time that lines went through the recogniser."""
    times: list[int] = []
    original = module._write

    def counted(*arguments: Any) -> None:
        times.append(1)
        original(*arguments)

    monkeypatch.setattr(module, "_write", counted)
    return times


def clean(lines: int = 40, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, size=(lines, 16, 64)).astype(np.uint8)


def cache(folder: Path, sha256: str = "a" * 64) -> TargetCache:
    return TargetCache(folder, sha256, lambda: None, lambda message, level: None)


def test_targets_are_those_of_the_recogniser_and_found_again(recogniser: Any, tmp_path: Path, asked: list[int]) -> None:
    first = clean_targets(recogniser, clean(), cache(tmp_path), with_features=True)
    (batch,) = ordered_batches({"clean": clean()}, 40)
    seen = recogniser(batch["clean"], training=False)
    np.testing.assert_allclose(first.features, seen["features"].numpy(), atol=2e-3)
    np.testing.assert_array_equal(first.readings, read_greedy(seen["logits"]).numpy())
    assert isinstance(first.features, np.memmap), "on disk, not in memory"
    again = clean_targets(recogniser, clean(), cache(tmp_path), with_features=True)
    np.testing.assert_array_equal(again.features, first.features)
    clean_targets(recogniser, clean(), cache(tmp_path), with_features=False)
    assert len(asked) == 1, "readings alone are in the larger entry too"


def test_another_recogniser_or_other_lines_are_asked_anew(recogniser: Any, tmp_path: Path, asked: list[int]) -> None:
    clean_targets(recogniser, clean(), cache(tmp_path), with_features=False)
    clean_targets(recogniser, clean(), cache(tmp_path, "b" * 64), with_features=False)
    clean_targets(recogniser, clean(seed=1), cache(tmp_path), with_features=False)
    assert len(asked) == 3


def test_a_damaged_entry_is_made_again(recogniser: Any, tmp_path: Path, asked: list[int]) -> None:
    first = clean_targets(recogniser, clean(), cache(tmp_path), with_features=True)
    expected = np.array(first.features)
    (path,) = tmp_path.glob(f"*/{FEATURES}")
    path.write_bytes(path.read_bytes()[:200])
    again = clean_targets(recogniser, clean(), cache(tmp_path), with_features=True)
    np.testing.assert_array_equal(again.features, expected)
    assert len(asked) == 2


def test_a_stop_in_between_leaves_no_half_entry(recogniser: Any, tmp_path: Path) -> None:
    calls = iter([None, StopRequested()])

    def check() -> None:
        request = next(calls)
        if request is not None:
            raise request

    stopping = TargetCache(tmp_path, "a" * 64, check, lambda message, level: None)
    with pytest.raises(StopRequested):
        clean_targets(recogniser, clean(), stopping, with_features=True)
    assert [path.name for path in tmp_path.iterdir() if not path.name.endswith(".lock")] == []


def test_what_is_too_much_is_left_to_the_steps(recogniser: Any) -> None:
    row = feature_bytes(recogniser, 1)
    assert row == 2 * 2 * 16 * 8
    most = module.MOST_KEPT_BYTES // row
    assert keeps_features("auto", recogniser, most)
    assert not keeps_features("auto", recogniser, most + 1)
    assert keeps_features(True, recogniser, most + 1)
    assert not keeps_features(False, recogniser, 1)


def test_each_step_gets_the_rows_of_its_lines() -> None:
    features = np.arange(6 * 2 * 3 * 1, dtype=np.float16).reshape(6, 2, 3, 1)
    indices = np.array([[5, 0], [2, 2]])
    batches = ordered_batches({"labels": np.arange(4)}, 2)
    found = [batch["clean_features"].numpy() for batch in with_features(batches, features, indices)]
    np.testing.assert_array_equal(found[0], features[[5, 0]])
    np.testing.assert_array_equal(found[1], features[[2, 2]])
