"""Intervals are functions of their data, contain their figure, and cover the truth about as often as they say."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from htr_gan.metrics.background import divide_background
from htr_gan.metrics.intervals import Interval, mean_difference, mean_interval, rate_difference, rate_interval
from htr_gan.metrics.text import character_counts, character_error_rate, word_counts, word_error_rate

LINES = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 30)), min_size=1, max_size=40)


@given(LINES, st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_a_rate_is_that_of_the_corpus_and_inside_its_interval(lines: list[tuple[int, int]], seed: int) -> None:
    edits, lengths = zip(*lines, strict=True)
    found = rate_interval(edits, lengths, resamples=300, seed=seed)
    assert found.value == pytest.approx(sum(edits) / sum(lengths))
    rates = [e / n for e, n in lines]
    assert min(rates) - 1e-9 <= found.low <= found.high <= max(rates) + 1e-9
    assert found == rate_interval(edits, lengths, resamples=300, seed=seed)
    wide, narrow = (rate_interval(edits, lengths, resamples=300, seed=seed, level=level) for level in (0.95, 0.5))
    assert wide.low <= narrow.low <= narrow.high <= wide.high


@given(LINES)
@settings(max_examples=40, deadline=None)
def test_scaling_the_edits_scales_the_interval(lines: list[tuple[int, int]]) -> None:
    edits, lengths = np.asarray(lines).T
    one, three = (rate_interval(edits * factor, lengths, resamples=100) for factor in (1, 3))
    assert (three.value, three.low, three.high) == pytest.approx((one.value * 3, one.low * 3, one.high * 3))


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=30), st.floats(-5, 5))
@settings(max_examples=40, deadline=None)
def test_a_constant_gain_is_a_difference_without_doubt(values: list[float], gain: float) -> None:
    difference = mean_difference(values, [value + gain for value in values], resamples=100)
    assert (difference.value, difference.low, difference.high) == pytest.approx((gain, gain, gain), abs=1e-9)
    alone = mean_interval(values, resamples=100)
    assert min(values) - 1e-9 <= alone.low <= alone.high <= max(values) + 1e-9


@given(LINES)
@settings(max_examples=40, deadline=None)
def test_a_difference_changes_its_sign_with_the_order(lines: list[tuple[int, int]]) -> None:
    edits, lengths = np.asarray(lines).T
    other = edits[::-1]
    forth, back = (
        rate_difference(edits, other, lengths, resamples=101),
        rate_difference(other, edits, lengths, resamples=101),
    )
    assert (forth.value, forth.low, forth.high) == pytest.approx((-back.value, -back.high, -back.low))
    none = rate_difference(edits, edits, lengths, resamples=50)
    assert (none.value, none.low, none.high) == (0, 0, 0)
    assert not none.excludes_zero


def test_pairs_see_what_separate_intervals_cannot() -> None:
    """Lines differ a lot, systems little but always in the same direction."""
    rng = np.random.default_rng(3)
    lengths = np.full(200, 20)
    hard = rng.integers(0, 19, 200)
    better = np.maximum(hard - (rng.random(200) < 0.4), 0)
    assert rate_interval(hard, lengths).overlaps(rate_interval(better, lengths))
    assert rate_difference(hard, better, lengths).excludes_zero


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(7)
    covered = 0
    for experiment in range(200):
        lengths = rng.integers(10, 30, 120)
        found = rate_interval(rng.binomial(lengths, 0.2), lengths, resamples=400, seed=experiment)
        covered += found.low <= 0.2 <= found.high
    assert 178 <= covered <= 199, "95 % of 200, four standard deviations"


def test_large_sets_are_drawn_in_parts_and_give_the_known_width() -> None:
    values = np.random.default_rng(0).normal(20.0, 3.0, 10_000)
    found = mean_interval(values, resamples=1000)
    assert found.high - found.low == pytest.approx(2 * 1.96 * 3.0 / 100, rel=0.12)
    assert found.lines == 10_000


@pytest.mark.parametrize(
    "call",
    [
        lambda: rate_interval([], []),
        lambda: rate_interval([1], [0]),
        lambda: rate_interval([1, 2], [3]),
        lambda: mean_interval([float("nan")]),
        lambda: mean_interval([[1.0]]),
        lambda: mean_interval([1.0], resamples=0),
        lambda: mean_interval([1.0], level=1.0),
    ],
)
def test_what_has_no_interval_is_refused(call: object) -> None:
    assert callable(call)
    with pytest.raises(ValueError):
        call()


def test_draws_of_empty_lines_alone_are_left_out() -> None:
    found = rate_interval([1, 0], [2, 0], resamples=200)
    assert found == Interval(0.5, 0.5, 0.5, 2)


def test_counts_of_lines_add_up_to_the_corpus() -> None:
    read, texts = ["the cat", "", "a  b"], ["the hat", "dog", "a b"]
    edits, lengths = character_counts(read, texts)
    assert (edits.tolist(), lengths.tolist()) == ([1, 3, 1], [7, 3, 3])
    assert character_error_rate(read, texts) == pytest.approx(5 / 13)
    words, of = word_counts(read, texts)
    assert (words.tolist(), of.tolist()) == ([1, 1, 0], [2, 1, 2])
    assert word_error_rate(read, texts) == pytest.approx(2 / 5)


@pytest.mark.parametrize("height", [16, 32, 64, 128])
def test_background_division_whitens_uneven_paper_and_keeps_ink(height: int) -> None:
    line = np.tile(np.linspace(120, 230, height * 6).astype(np.uint8), (height, 1))
    pen = max(height // 10, 2)
    cv2.line(line, (height, height // 4), (height, height * 3 // 4), 30, pen)
    cv2.line(line, (height * 5, height // 4), (height * 5, height * 3 // 4), 60, pen)
    flat = divide_background(line)
    assert flat.shape == line.shape
    assert flat.dtype == np.uint8
    assert np.median(flat) == 255
    assert flat[height // 2, height] < 60
    assert flat[height // 2, height * 5] < 60
    assert (flat == divide_background(line)).all()
