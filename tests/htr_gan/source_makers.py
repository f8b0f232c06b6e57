"""Tiny sources of every kind, made on the spot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

PAPER = 200

COLUMNS = ("file", "transcription", "page", "split", "contrast", "noise")


def picture(height: int = 20, width: int = 80, seed: int = 0, paper: int = PAPER) -> NDArray[np.uint8]:
    """Paper with a few dark strokes that keep off the edges; every seed another."""
    rng = np.random.default_rng(seed)
    page = np.full((height, width), paper, np.uint8)
    for column in rng.choice(np.arange(4, width - 4), 6, replace=False):
        page[4 : height - 4, column : column + 2] = 30
    return page


def write_picture(path: Path, seed: int = 0, height: int = 20, width: int = 80) -> None:
    """A picture in the format that the ending tells."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture(height, width, seed)).save(path)


def row(index: int, text: str = "some text", split: str = "train", **more: object) -> dict[str, object]:
    """A row of lines.tsv."""
    return {
        "file": f"lines/{index:03d}.png",
        "transcription": text,
        "page": f"page-{index}",
        "split": split,
        "contrast": 100,
        "noise": 1.0,
        **more,
    }


def write_pack(folder: Path, rows: Sequence[dict[str, Any]], columns: Sequence[str] = COLUMNS) -> Path:
    """A line pack with a picture for each row."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["\t".join(columns)]
    for index, values in enumerate(rows):
        write_picture(folder / str(values["file"]), seed=index)
        lines.append("\t".join(str(values.get(column, "")) for column in columns))
    (folder / "lines.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def good_rows(train: int = 6, held_out: int = 2, test: int = 2) -> list[dict[str, Any]]:
    """Rows of all three splits with different texts."""
    splits = ["train"] * train + ["val"] * held_out + ["test"] * test
    return [row(index, f"line {'abcdefghij'[index % 10]}", split) for index, split in enumerate(splits)]


def record(
    clean: NDArray[Any],
    degraded: NDArray[Any] | None,
    label: Sequence[int],
    *,
    padding: int = 4,
    **more: bytes,
) -> bytes:
    """A record as existing trainers write it: raw numbers with shape and dtype; `more` adds or replaces features."""
    import tensorflow as tf

    ids = np.zeros(len(label) + padding, np.int64)
    ids[: len(label)] = label
    arrays = {"clean_image": clean[..., np.newaxis], "label": ids}
    if degraded is not None:
        arrays["degraded_image"] = degraded[..., np.newaxis]
    features: dict[str, Any] = {}
    for name, array in arrays.items():
        features[f"{name}_raw"] = tf.train.Feature(bytes_list=tf.train.BytesList(value=[array.tobytes()]))
        features[f"{name}_shape"] = tf.train.Feature(int64_list=tf.train.Int64List(value=array.shape))
        features[f"{name}_dtype"] = tf.train.Feature(bytes_list=tf.train.BytesList(value=[str(array.dtype).encode()]))
    for name, value in more.items():
        features[name] = tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
    return bytes(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())


def write_records(path: Path, records: Sequence[bytes], compression: str = "") -> Path:
    """A TFRecord file."""
    import tensorflow as tf

    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path), compression) as writer:
        for one in records:
            writer.write(one)
    return path
