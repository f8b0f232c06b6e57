"""Gradients of a large batch from several small ones, for cards that cannot hold the large one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf


def average_over_parts(compute: Callable[[dict[str, Any]], Any], batch: dict[str, Any], parts: int, zeros: Any) -> Any:
    """The mean of `compute(part)` over `parts` equal parts of `batch`, one part in memory at a time.

    `compute` returns a structure of tensors shaped like `zeros`. Where it averages over lines, the result equals that
    of the whole batch, except for what batch norm sees: it normalises each part by itself.
    """
    if parts == 1:
        return compute(batch)
    stacked = {
        name: tf.reshape(tensor, tf.concat([[parts, -1], tf.shape(tensor)[1:]], 0)) for name, tensor in batch.items()
    }
    shapes = {name: tensor.shape[1:] for name, tensor in batch.items()}

    def step(number: Any, sums: Any) -> tuple[Any, Any]:
        part = {name: tf.ensure_shape(tensor[number], [None, *shapes[name]]) for name, tensor in stacked.items()}
        return number + 1, tf.nest.map_structure(tf.add, sums, compute(part))

    # One iteration at a time: in parallel they would need the memory of the large batch again.
    _, sums = tf.while_loop(lambda number, _: number < parts, step, (tf.constant(0), zeros), parallel_iterations=1)
    return tf.nest.map_structure(lambda total: total / parts, sums)


def zeros_like_variables(variables: list[Any]) -> list[Any]:
    """Where a sum of gradients starts."""
    return [tf.zeros(variable.shape, variable.dtype) for variable in variables]
