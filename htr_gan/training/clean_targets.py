"""What the frozen recogniser says of the clean lines: asked once per recogniser, set of lines and precision, then kept.

Kept in the cache folder as `readings.npy` (collapsed labels) and, where features are wanted, `features.npy` (float16,
memory-mapped: only the lines of a step are in memory). Later runs, such as the other trials of a study, find them there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from htr_gan.data.cache import WaitingNote
from htr_gan.files import fingerprint, folder_written_whole, locked, sweep_leftovers
from htr_gan.models.reading import read_greedy
from htr_gan.training.feeding import ordered_batches

SCHEMA = 1
READINGS, FEATURES = "readings.npy", "features.npy"
MOST_KEPT_BYTES = 4 * 2**30
"""Features of more than this are computed in each step, if the configuration leaves it open."""
BATCH = 32


@dataclass(frozen=True)
class CleanTargets:
    """What was kept, one row a line."""

    readings: NDArray[np.int32]
    """Collapsed labels [lines, steps]."""
    features: Any = None
    """float16 [lines, rows, columns, channels] on disk, or None where they were not wanted."""


@dataclass(frozen=True)
class TargetCache:
    """Where the targets of a recogniser are kept, and whom to tell."""

    folder: Path
    recogniser_sha256: str
    check: Callable[[], None]
    """Raises if the user wants to stop."""
    note: Callable[[str, str], None]
    """Gets a message and its level."""


def feature_bytes(recogniser: Any, lines: int) -> int:
    """What the features of so many lines need as float16."""
    return 2 * lines * int(np.prod(recogniser.output["features"].shape[1:]))


def keeps_features(wanted: bool | Literal["auto"], recogniser: Any, lines: int) -> bool:
    """Whether features go to the cache folder; otherwise each step computes them anew."""
    return feature_bytes(recogniser, lines) <= MOST_KEPT_BYTES if wanted == "auto" else wanted


def clean_targets(
    recogniser: Any, clean: NDArray[np.uint8], cache: TargetCache, *, with_features: bool
) -> CleanTargets:
    """The targets of `clean` [lines, height, width]: found in the cache, or computed now; OSError: a full disk."""
    record = {
        "schema": SCHEMA,
        "recogniser": cache.recogniser_sha256,
        "lines": _lines_sha256(clean),
        "precision": recogniser.get_layer("rec_sequence").dtype_policy.name,
    }
    plain, full = (cache.folder / fingerprint({**record, "features": kept}) for kept in (False, True))
    found = _read(full, len(clean), with_features) or (None if with_features else _read(plain, len(clean), False))
    if found is not None:
        return found
    folder = full if with_features else plain
    waiting = WaitingNote(
        cache.check, lambda message: cache.note(message, "info"), "the recogniser's features of clean lines"
    )
    with locked(folder.with_name(f"{folder.name}.lock"), waiting):
        found = _read(folder, len(clean), with_features)  # somebody else made them while this process waited
        if found is None:
            sweep_leftovers(folder)
            with folder_written_whole(folder) as fresh:
                _write(fresh, recogniser, clean, cache.check, with_features)
            found = _read(folder, len(clean), with_features)
    if found is None:
        raise OSError(f"{folder} was written and cannot be read")
    return found


def _lines_sha256(clean: NDArray[np.uint8]) -> str:
    digest = hashlib.sha256(f"{clean.shape}\n".encode())
    for picture in clean:
        digest.update(np.ascontiguousarray(picture).tobytes())
    return digest.hexdigest()


def _write(
    folder: Path, recogniser: Any, clean: NDArray[np.uint8], check: Callable[[], None], with_features: bool
) -> None:
    """Line after line into files, so that memory holds one batch of features."""
    lines, steps = len(clean), int(recogniser.output["logits"].shape[1])
    readings = np.zeros((lines, steps), np.int32)
    features = None
    if with_features:
        shape = (lines, *recogniser.output["features"].shape[1:])
        features = np.lib.format.open_memmap(folder / FEATURES, mode="w+", dtype=np.float16, shape=shape)
    ask = _traced(recogniser, with_features)
    done = 0
    for batch in ordered_batches({"clean": clean}, BATCH):
        check()
        read, seen = ask(batch["clean"])
        readings[done : done + len(read)] = read.numpy()
        if features is not None:
            features[done : done + len(read)] = _half(seen)
        done += len(read)
    if features is not None:
        features.flush()
    np.save(folder / READINGS, readings, allow_pickle=False)


def _traced(recogniser: Any, with_features: bool) -> Any:
    """Readings and features of a batch; called outside of a graph an LSTM over a wide line takes seconds."""

    def ask(lines: Any) -> tuple[Any, Any]:
        seen = recogniser(lines, training=False)
        return read_greedy(seen["logits"]), seen["features"] if with_features else tf.constant(0.0)

    return tf.function(ask, reduce_retracing=True)


def _half(features: Any) -> NDArray[np.float16]:
    """float16, with values beyond its range at its ends: an infinity would make the loss infinite."""
    most = np.finfo(np.float16).max
    return np.clip(np.asarray(features.numpy(), np.float32), -most, most).astype(np.float16)


def _read(folder: Path, lines: int, with_features: bool) -> CleanTargets | None:
    """What lies in `folder`; None if it is missing or damaged: it is a cache, so it is made again."""
    try:
        readings = np.load(folder / READINGS, allow_pickle=False)
        features = np.load(folder / FEATURES, mmap_mode="r", allow_pickle=False) if with_features else None
    except (OSError, ValueError, EOFError):
        return None
    if len(readings) != lines or (features is not None and len(features) != lines):
        return None
    return CleanTargets(readings, features)


def with_features(batches: Any, features: Any, indices: NDArray[np.int64]) -> Any:
    """`batches`, each with `clean_features`: the rows of `features` that `indices` [steps, per step] name."""

    def fetch(rows: NDArray[np.int64]) -> NDArray[np.float16]:
        return np.asarray(features[rows])

    def take(rows: Any) -> Any:
        found = tf.numpy_function(fetch, [rows], tf.float16, stateful=False)
        return tf.ensure_shape(found, [None, *features.shape[1:]])

    def join(batch: dict[str, Any], found: Any) -> dict[str, Any]:
        return {**batch, "clean_features": found}

    rows = tf.data.Dataset.from_tensor_slices(indices).map(take).prefetch(2)
    return tf.data.Dataset.zip((batches, rows)).map(join)
