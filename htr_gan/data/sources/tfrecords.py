"""TFRecords of line pairs: raw float32 as existing trainers write them, or compact uint8 as `htr-gan import` writes them.

A record holds `degraded_image_*`, `clean_image_*` (raw bytes, shape [height, width, 1], dtype) and `label_*` (raw ids,
shape [length], dtype). Label id i is line i of the charset, 0 is padding. Compact records have the same features with
dtype uint8 and add `text` (UTF-8) and `name`, so that they need no charset; without a degraded picture those features
are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from htr_gan.alphabet import BLANK, Alphabet
from htr_gan.data.lines import LineSet
from htr_gan.data.sources.faults import FaultKind
from htr_gan.data.sources.source_line import Picture, Reading, SourceLine
from htr_gan.data.sources.splits import splits_of_files
from htr_gan.errors import UsageError

ENDINGS = (".tfrecord", ".tfrecords", ".tfrec")
CLEAN, DEGRADED, LABEL = "clean_image", "degraded_image", "label"
TEXT, NAME = "text", "name"
_DTYPES = re.compile(r"float16|float32|float64|uint8|uint16|int8|int16|int32|int64")
_GZIP = b"\x1f\x8b"
_BUFFER_BYTES = 4 * 1024 * 1024

Features = Mapping[str, Any]


class BadRecordError(Exception):
    """A record that cannot be used; the message says why."""

    def __init__(self, kind: FaultKind, detail: str) -> None:
        super().__init__(detail)
        self.kind, self.detail = kind, detail


def record_files(path: Path) -> list[Path]:
    """The TFRecord files that a path names: itself, or those below a folder in the order of their names."""
    if path.is_dir():
        return sorted(file for file in path.rglob("*") if file.suffix in ENDINGS and file.is_file())
    return [path] if path.suffix in ENDINGS else []


def read_tfrecords(path: Path, reading: Reading) -> Iterator[SourceLine]:
    """The lines of all records; loads TensorFlow."""
    files = record_files(path)
    root = path if path.is_dir() else path.parent
    for file, split in zip(files, splits_of_files([file.relative_to(root) for file in files]), strict=True):
        name = str(file.relative_to(root))
        turned = 0
        for index, record in enumerate(_records(file, name, reading)):
            try:
                line, was_turned = _line(record, f"{name}#{index}", split, reading.charset)
            except BadRecordError as error:
                reading.fault(error.kind, f"{name}#{index}", error.detail)
                continue
            turned += was_turned
            yield line
        if turned:
            reading.note(f"{turned} pictures of {file} are taller than wide: taken as stored [width, height]; turned")


def _records(file: Path, name: str, reading: Reading) -> Iterator[bytes]:
    """The bytes of each record; a damaged file ends with a fault where its damage begins."""
    import tensorflow as tf

    with open(file, "rb") as start:
        compression = "GZIP" if start.read(2) == _GZIP else ""
    count = 0
    try:
        for record in tf.data.TFRecordDataset(
            str(file), compression_type=compression, buffer_size=_BUFFER_BYTES
        ).as_numpy_iterator():
            count += 1
            yield record
    except (tf.errors.DataLossError, tf.errors.OutOfRangeError) as error:
        reading.fault(FaultKind.BAD_RECORD, f"{name}#{count}", f"damaged from here on: {error.message}")


def _line(record: bytes, name: str, split: str | None, charset: Alphabet | None) -> tuple[SourceLine, bool]:
    import tensorflow as tf
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        features = tf.train.Example.FromString(record).features.feature
    except DecodeError as error:
        raise BadRecordError(FaultKind.BAD_RECORD, "not a tf.train.Example") from error
    clean = _numbers(features, CLEAN)
    degraded = _numbers(features, DEGRADED) if f"{DEGRADED}_raw" in features else None
    low, high = _scale([picture for picture in (clean, degraded) if picture is not None])
    turned = clean.shape[0] > clean.shape[1]
    line = SourceLine(
        _word(features, NAME) or name,
        _picture(clean, low, high),
        _text(features, charset),
        split,
        None if degraded is None else _picture(degraded, low, high),
        page=_word(features, "page"),
    )
    return line, turned


def _bytes(features: Features, name: str) -> bytes | None:
    values = features[name].bytes_list.value if name in features else ()
    return bytes(values[0]) if values else None


def _word(features: Features, name: str) -> str | None:
    raw = _bytes(features, name)
    return None if raw is None else raw.decode("utf-8", "replace")


def _numbers(features: Features, prefix: str) -> NDArray[Any]:
    """The array stored under `prefix`, in its shape and dtype."""
    raw = _bytes(features, f"{prefix}_raw")
    if raw is None:
        raise BadRecordError(FaultKind.BAD_RECORD, f"no feature {prefix}_raw")
    usual = "int64" if prefix == LABEL else "float32"
    told = _word(features, f"{prefix}_dtype") or usual
    dtype = _DTYPES.search(told)
    if dtype is None:
        raise BadRecordError(FaultKind.BAD_RECORD, f"{prefix}_dtype {told!r} is not known")
    shape = list(features[f"{prefix}_shape"].int64_list.value) if f"{prefix}_shape" in features else []
    for name in (dtype[0], usual):  # some writers tell another type than they write
        try:
            numbers = np.frombuffer(raw, np.dtype(name).newbyteorder("<"))
            return numbers.reshape(shape) if shape else numbers
        except ValueError:
            continue
    raise BadRecordError(FaultKind.BAD_RECORD, f"{prefix}: {len(raw)} bytes do not fill {dtype[0]} of shape {shape}")


def _scale(pictures: list[NDArray[Any]]) -> tuple[float, float]:
    """The numbers for black and white: bytes, [0, 1] or [-1, 1], told by the numbers of both pictures together."""
    for picture in pictures:
        if not picture.size or picture.ndim not in (2, 3) or not np.isfinite(picture).all():
            raise BadRecordError(FaultKind.UNREADABLE_PICTURE, "empty, not finite, or not [height, width, channels]")
    lowest, highest = (min(float(p.min()) for p in pictures), max(float(p.max()) for p in pictures))
    if pictures[0].dtype.kind in "iu" or highest > 2.0:
        return 0.0, 255.0
    return (-1.0, 1.0) if lowest < -0.01 else (0.0, 1.0)


def _picture(numbers: NDArray[Any], black: float, white: float) -> Picture:
    """uint8 [height, width]; pictures stored [width, height] are turned, as lines are wider than tall."""
    grey = numbers if numbers.ndim == 2 else numbers[..., 0] if numbers.shape[2] == 1 else numbers.mean(axis=2)
    if grey.dtype == np.uint8:
        picture = np.asarray(grey)
    else:
        scaled = (grey.astype(np.float32) - np.float32(black)) * np.float32(255.0 / (white - black))
        picture = np.clip(scaled + np.float32(0.5), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(picture.T) if picture.shape[0] > picture.shape[1] else picture


def _text(features: Features, charset: Alphabet | None) -> str:
    text = _word(features, TEXT)
    if text is not None:
        return text
    if charset is None:
        raise UsageError(
            "these TFRecords hold label ids and no text: their charset file is needed",
            "label id 1 is its first line, id 0 is padding",
            "data.charset: FILE, or --charset FILE",
        )
    return text_of_ids(_numbers(features, LABEL).ravel(), charset)


def text_of_ids(ids: NDArray[Any], charset: Alphabet) -> str:
    """The text of label ids with their padding; nothing is collapsed, as equal neighbours are genuine double letters.

    BadRecordError for a zero inside (padding stands at the end only) and for ids beyond the charset.
    """
    used = np.flatnonzero(ids != BLANK)
    labels = ids[: used[-1] + 1] if used.size else ids[:0]
    if wrong := [int(label) for label in labels if not 0 <= label < charset.classes]:
        raise BadRecordError(FaultKind.ID_OUT_OF_RANGE, f"{wrong[0]}; the charset has {len(charset.letters)} letters")
    if np.any(labels == BLANK):
        position = int(np.flatnonzero(labels == BLANK)[0])
        raise BadRecordError(FaultKind.ZERO_INSIDE, f"at position {position} of {len(labels)}")
    return charset.decode(int(label) for label in labels)


def write_tfrecord(lines: LineSet, path: Path) -> None:
    """All lines as compact records in the new file `path`; loads TensorFlow."""
    import tensorflow as tf

    with tf.io.TFRecordWriter(str(path)) as writer:
        for index, text in enumerate(lines.texts):
            degraded = None if lines.degraded is None else lines.degraded[index]
            name = lines.names[index] if lines.names is not None else f"{path.stem}#{index}"
            writer.write(compact_record(lines.clean[index], degraded, text, lines.alphabet, name))


def compact_record(clean: Picture, degraded: Picture | None, text: str, alphabet: Alphabet, name: str) -> bytes:
    """One line as a serialised `tf.train.Example`; the label has no padding and no letters without an id."""
    import tensorflow as tf

    def of_bytes(value: bytes) -> Any:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))

    def of_shape(*sides: int) -> Any:
        return tf.train.Feature(int64_list=tf.train.Int64List(value=sides))

    known = [letter for letter in text if letter in alphabet.letters]
    label = np.asarray(alphabet.encode("".join(known)), "<i8")
    features = {NAME: of_bytes(name.encode()), TEXT: of_bytes(text.encode())}
    arrays: list[tuple[str, NDArray[Any]]] = [(CLEAN, clean[..., np.newaxis]), (LABEL, label)]
    if degraded is not None:
        arrays.append((DEGRADED, degraded[..., np.newaxis]))
    for prefix, array in arrays:
        features[f"{prefix}_raw"] = of_bytes(array.tobytes())
        features[f"{prefix}_shape"] = of_shape(*array.shape)
        features[f"{prefix}_dtype"] = of_bytes(array.dtype.name.encode())
    return bytes(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())
