"""The functions of a SavedModel: from pictures to pictures and to text, all inside the graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tensorflow as tf

from htr_gan.alphabet import BLANK, Alphabet
from htr_gan.models.reading import read_greedy

GRID = 16


class Serving(tf.Module):  # type: ignore[misc]
    """Holds the networks' variables, the alphabet as a file, and the functions over them.

    Pictures are uint8 [lines, height, any width, 1], or float32 in [0, 1]; dark ink on light paper, scaled to the
    height of the network. Restoring takes any width. Reading takes lines up to the width of the training; narrower
    ones are padded with white.
    """

    def __init__(
        self, generator: Any, recogniser: Any, alphabet: Alphabet, height: int, width: int, asset: Path
    ) -> None:
        super().__init__(name="htr_gan")
        self._generator, self._recogniser, self._height, self._width = generator, recogniser, height, width
        networks = [network for network in (generator, recogniser) if network is not None]
        self.held_variables = [variable.value for network in networks for variable in network.variables]
        self.alphabet_file = tf.saved_model.Asset(str(asset))
        self.letters = tf.constant(["", *alphabet.letters])

    def signatures(self) -> dict[str, Any]:
        """All functions by name, traced."""
        reading = {"read": self._read_bytes, "read_float": self._read, "logits": self._logits_only}
        functions = {"serving_default": self._read_bytes, **reading}
        if self._generator is not None:
            functions |= {
                "serving_default": self._restore_bytes,
                "restore": self._restore_bytes,
                "restore_float": self._restore_floats,
                "restore_and_read": self._restore_and_read,
            }
        return {name: self._traced(name, function) for name, function in functions.items()}

    def _traced(self, name: str, function: Any) -> Any:
        is_float = name.endswith("_float") or name == "logits"
        kind = tf.float32 if is_float else tf.uint8
        shape = tf.TensorSpec([None, self._height, None, 1], kind, name="lines")
        return tf.function(function, input_signature=[shape])

    def _restore(self, lines: Any) -> Any:
        width = tf.shape(lines)[2]
        padded = _padded_to(lines, -(-width // GRID) * GRID)
        return self._generator(padded, training=False)[:, :, :width]

    def _restore_floats(self, lines: Any) -> Any:
        return {"restored": self._restore(lines)}

    def _restore_bytes(self, lines: Any) -> Any:
        restored = self._restore(_as_unit(lines))
        return {"restored": tf.cast(tf.round(restored * 255.0), tf.uint8)}

    def _logits(self, lines: Any) -> Any:
        width = tf.shape(lines)[2]
        message = f"lines to read are at most {self._width} pixels wide: scale them to {self._height} x {self._width}"
        with tf.control_dependencies([tf.debugging.assert_less_equal(width, self._width, message)]):
            padded = _padded_to(lines, self._width)
        padded.set_shape([None, self._height, self._width, 1])
        return self._recogniser(padded, training=False)["logits"]

    def _logits_only(self, lines: Any) -> Any:
        return {"logits": self._logits(lines)}

    def _read(self, lines: Any) -> Any:
        logits = self._logits(lines)
        labels = read_greedy(logits)
        return {
            "text": tf.strings.reduce_join(tf.gather(self.letters, labels), axis=1),
            "labels": labels,
            "confidence": _confidence(logits),
        }

    def _read_bytes(self, lines: Any) -> Any:
        return self._read(_as_unit(lines))

    def _restore_and_read(self, lines: Any) -> Any:
        restored = self._restore(_as_unit(lines))
        return {"restored": tf.cast(tf.round(restored * 255.0), tf.uint8), **self._read(restored)}


def _as_unit(lines: Any) -> Any:
    return tf.cast(lines, tf.float32) / 255.0


def _padded_to(lines: Any, width: Any) -> Any:
    missing = width - tf.shape(lines)[2]
    return tf.pad(lines, [[0, 0], [0, 0], [0, missing], [0, 0]], constant_values=1.0)


def _confidence(logits: Any) -> Any:
    """As in `htr_gan.inference.reading`: the geometric mean of each character's best step; of blanks if there is none."""
    best = tf.reduce_max(tf.nn.log_softmax(logits), axis=-1)
    labels = tf.argmax(logits, axis=-1, output_type=tf.int32)
    before = tf.pad(labels[:, :-1], [[0, 0], [1, 0]], constant_values=BLANK)
    is_letter = tf.not_equal(labels, BLANK)
    starts = tf.cast(tf.logical_and(is_letter, tf.not_equal(labels, before)), tf.int32)
    runs = tf.cumsum(starts, axis=1)
    steps = tf.shape(logits)[1]
    member = tf.logical_and(is_letter[..., None], tf.equal(runs[..., None], tf.range(1, steps + 1)))
    of_runs = tf.reduce_max(tf.where(member, best[..., None], float("-inf")), axis=1)
    count = tf.cast(tf.reduce_sum(starts, axis=1), tf.float32)
    total = tf.reduce_sum(tf.where(tf.math.is_finite(of_runs), of_runs, 0.0), axis=1)
    mean = tf.where(count > 0, total / tf.maximum(count, 1.0), tf.reduce_mean(best, axis=1))
    return tf.exp(mean)
