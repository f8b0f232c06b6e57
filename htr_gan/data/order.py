"""Which lines an optimizer step sees: a pure function of seed and step, so that nothing about data is ever saved."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Visits:
    """What a run of optimizer steps sees: which line, and the how-manieth time. Both [steps, per_step]."""

    indices: NDArray[np.int64]
    """Numbers of lines."""
    passes: NDArray[np.int64]
    """How often the whole set was gone through before this visit, from 0; together with the index it names the visit."""


def line_visits(lines: int, seed: int, first_step: int, last_step: int, per_step: int) -> Visits:
    """The visits of the global steps `first_step` to `last_step` (exclusive); the lines are those of `line_indices`."""
    indices = line_indices(lines, seed, first_step, last_step, per_step)
    numbers = np.arange(first_step * per_step, last_step * per_step, dtype=np.int64)
    return Visits(indices, (numbers // lines).reshape(indices.shape))


def line_indices(lines: int, seed: int, first_step: int, last_step: int, per_step: int) -> NDArray[np.int64]:
    """Indices [steps, per_step] for the global steps `first_step` to `last_step` (exclusive).

    All steps together read permutations of all lines, one after the other: each line once before any line twice.
    How a step's lines are split into batches does not matter here, so accumulation keeps the order.
    """
    start, end = first_step * per_step, last_step * per_step
    passes = [
        np.random.default_rng([seed, number]).permutation(lines) for number in range(start // lines, -(-end // lines))
    ]
    if not passes:
        return np.empty((0, per_step), np.int64)
    skipped = start - (start // lines) * lines
    indices = np.concatenate(passes)[skipped : skipped + end - start]
    return indices.reshape(last_step - first_step, per_step)
