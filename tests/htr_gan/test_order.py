from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from htr_gan.data.order import line_indices, line_visits


@given(st.integers(1, 40), st.integers(0, 9), st.integers(0, 30), st.integers(0, 12), st.integers(1, 9))
def test_any_start_gives_the_same_lines(lines: int, seed: int, first: int, count: int, per_step: int) -> None:
    everything = line_indices(lines, seed, 0, first + count, per_step)
    assert np.array_equal(line_indices(lines, seed, first, first + count, per_step), everything[first:])


def test_each_line_once_before_any_line_twice() -> None:
    flat = line_indices(24, 1, 0, 12, 4).ravel()
    assert sorted(flat[:24]) == sorted(flat[24:]) == list(range(24))
    assert not np.array_equal(flat[:24], flat[24:])


def test_another_seed_gives_another_order() -> None:
    assert not np.array_equal(line_indices(24, 1, 0, 6, 4), line_indices(24, 2, 0, 6, 4))


def test_accumulation_keeps_the_lines_of_each_step() -> None:
    large, halves = line_indices(24, 1, 0, 6, 8 * 1), line_indices(24, 1, 0, 6, 4 * 2)
    assert np.array_equal(large, halves)


@given(st.integers(1, 40), st.integers(0, 9), st.integers(0, 30), st.integers(0, 12), st.integers(1, 9))
def test_a_visit_is_the_same_from_any_start(lines: int, seed: int, first: int, count: int, per_step: int) -> None:
    everything = line_visits(lines, seed, 0, first + count, per_step)
    part = line_visits(lines, seed, first, first + count, per_step)
    assert np.array_equal(part.indices, line_indices(lines, seed, first, first + count, per_step))
    assert np.array_equal(part.passes, everything.passes[first:])
    assert part.passes.shape == part.indices.shape


def test_a_pass_counts_how_often_a_line_was_seen_before() -> None:
    visits = line_visits(10, 1, 0, 9, 4)
    seen: dict[int, int] = {}
    for index, number in zip(visits.indices.ravel().tolist(), visits.passes.ravel().tolist(), strict=True):
        assert number == seen.get(index, 0)
        seen[index] = number + 1
