"""The values and the sample picture of each epoch as event files for TensorBoard, in `DIR/tensorboard`.

Written with TensorFlow alone: the package `tensorboard` is needed to look at them, not to write them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from htr_gan.events import EventSink
from htr_gan.training.callbacks.samples import contact_sheet, png_bytes
from htr_gan.training.progress import Progress

FOLDER = "tensorboard"
Panels = Callable[[], dict[str, NDArray[np.uint8]]]


class TensorBoardEvents(keras.callbacks.Callback):  # type: ignore[misc]
    """After the history; the epoch is the step. What cannot be written is a warning, no more."""

    def __init__(self, progress: Progress, panels: Panels | None, folder: Path, events: EventSink) -> None:
        super().__init__()
        self._progress, self._panels, self._events = progress, panels, events
        self._folder = folder / FOLDER
        self._writer: Any = None

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Write the epoch that just ended."""
        last = self._progress.history[-1]
        try:
            if self._writer is None:
                self._writer = tf.summary.create_file_writer(str(self._folder))
            with self._writer.as_default(step=last["epoch"]):
                for name, value in last["values"].items():
                    tf.summary.write(name, tf.constant(value, tf.float32), metadata=_metadata("scalars"))
                if self._panels is not None:
                    _write_picture(self._panels())
            self._writer.flush()
        except (OSError, tf.errors.OpError) as error:
            self._events.note(f"event files for TensorBoard were not written: {error}", "warning")

    def on_train_end(self, logs: Any = None) -> None:
        """Close the file; `fit` may be called again after a resume within an epoch."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def _metadata(plugin: str) -> Any:
    """What tells TensorBoard how to show a value."""
    data = tf.compat.v1.SummaryMetadata.PluginData(plugin_name=plugin)
    return tf.compat.v1.SummaryMetadata(plugin_data=data)


def _write_picture(panels: dict[str, NDArray[np.uint8]]) -> None:
    """As TensorBoard stores pictures: width and height as text, then PNGs."""
    sheet = contact_sheet(panels)
    tensor = tf.constant([str(sheet.width), str(sheet.height), png_bytes(sheet)])
    tf.summary.write("samples", tensor, metadata=_metadata("images"))
