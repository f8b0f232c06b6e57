"""Lines in memory as batches; pictures stay uint8 until the moment they are used."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from numpy.typing import NDArray

from htr_gan.data.order import Visits

PICTURES = ("clean", "degraded")


def _as_inputs(rows: dict[str, Any]) -> dict[str, Any]:
    inputs = dict(rows)
    for name in PICTURES:
        if name in inputs:
            inputs[name] = tf.cast(inputs[name], tf.float32)[..., tf.newaxis] / 255.0
    return inputs


def step_batches(columns: dict[str, NDArray[Any]], visits: Visits) -> Any:
    """One element a row of `visits`: those rows of every column."""
    tensors = {name: tf.constant(column) for name, column in columns.items()}

    def gather(row: Any) -> dict[str, Any]:
        return _as_inputs({name: tf.gather(tensor, row) for name, tensor in tensors.items()})

    return tf.data.Dataset.from_tensor_slices(visits.indices).map(gather).prefetch(2)


def ordered_batches(columns: dict[str, NDArray[Any]], batch: int) -> Any:
    """All rows once, in their order."""
    return tf.data.Dataset.from_tensor_slices(dict(columns)).batch(batch).map(_as_inputs).prefetch(1)
