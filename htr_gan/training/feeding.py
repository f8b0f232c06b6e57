"""Lines in memory as batches; pictures stay uint8 until the moment they are used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
from numpy.typing import NDArray

from htr_gan.data.live import LivePictures, picture_function
from htr_gan.data.order import Visits

PICTURES = ("clean", "degraded")
AHEAD = 4
"""Batches of live pictures that are kept ready."""
_NO_LIVE: Mapping[str, LivePictures] = {}


def _as_inputs(rows: dict[str, Any]) -> dict[str, Any]:
    inputs = dict(rows)
    for name in PICTURES:
        if name in inputs:
            inputs[name] = tf.cast(inputs[name], tf.float32)[..., tf.newaxis] / 255.0
    return inputs


def step_batches(columns: dict[str, NDArray[Any]], visits: Visits, live: Mapping[str, LivePictures] = _NO_LIVE) -> Any:
    """One element a row of `visits`: those rows of every column, and the live columns made for these visits.

    Live columns are made in the background by several threads; they take the place of stored ones of that name.
    """
    tensors = {name: tf.constant(column) for name, column in columns.items() if name not in live}
    makers = {name: (pictures.size, picture_function(pictures)) for name, pictures in live.items()}

    def gather(row: Any, passes: Any) -> dict[str, Any]:
        rows = {name: tf.gather(tensor, row) for name, tensor in tensors.items()}
        for name, (size, make) in makers.items():
            # stateful=False: the same visit gives the same bytes, so the order of calls may be any.
            made = tf.numpy_function(make, (row, passes), tf.uint8, stateful=False)
            rows[name] = tf.ensure_shape(made, (row.shape[0], *size))
        return _as_inputs(rows)

    data = tf.data.Dataset.from_tensor_slices((visits.indices, visits.passes))
    if not makers:
        return data.map(gather).prefetch(2)
    return data.map(gather, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True).prefetch(AHEAD)


def ordered_batches(columns: dict[str, NDArray[Any]], batch: int) -> Any:
    """All rows once, in their order."""
    return tf.data.Dataset.from_tensor_slices(dict(columns)).batch(batch).map(_as_inputs).prefetch(1)
