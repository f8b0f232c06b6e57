"""A picture of the same held-out lines after each epoch: degraded, restored, clean."""

from __future__ import annotations

import os
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from htr_gan.events import EventSink, attempt_folder
from htr_gan.files import write_atomic
from htr_gan.training.progress import Progress

Pictures = NDArray[np.uint8]

PANELS = ("degraded", "restored", "clean")
GAP, CAPTION = 4, 14
"""Pixels between pictures, and for the words above them."""


def contact_sheet(panels: dict[str, Pictures]) -> Image.Image:
    """Columns of lines with their captions; each value is [lines, height, width]."""
    count, height, width = next(iter(panels.values())).shape
    size = (len(panels) * (width + GAP) + GAP, CAPTION + count * (height + GAP) + GAP)
    sheet = Image.new("L", size, 160)
    pen = ImageDraw.Draw(sheet)
    for column, (caption, lines) in enumerate(panels.items()):
        left = GAP + column * (width + GAP)
        pen.text((left, 1), caption, fill=0)
        for row, line in enumerate(lines):
            sheet.paste(Image.fromarray(line), (left, CAPTION + GAP + row * (height + GAP)))
    return sheet


def line_places(count: int, height: int) -> list[list[int]]:
    """[top, height] in pixels of each line of a contact sheet, for viewers that show one line at a time."""
    return [[CAPTION + GAP + row * (height + GAP), height] for row in range(count)]


class Samples(keras.callbacks.Callback):  # type: ignore[misc]
    """Writes `samples/epoch-0003.png` and tells it; a picture that cannot be written is a warning, no more."""

    def __init__(
        self, progress: Progress, panels: Callable[[], dict[str, Pictures]], folder: Path, events: EventSink
    ) -> None:
        super().__init__()
        self._progress, self._panels, self._events = progress, panels, events
        self._folder = folder / "samples"

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Draw the epoch that just ended."""
        done = self._progress.epochs_done
        path = self._folder / f"epoch-{done:04d}.png"
        try:
            self._folder.mkdir(exist_ok=True)
            panels = self._panels()
            write_atomic(path, png_bytes(contact_sheet(panels)))
        except OSError as error:
            self._events.note(f"the sample picture was not written: {error}", "warning")
            return
        relative = os.path.relpath(path, attempt_folder(self._folder.parent))
        caption = f"epoch {done}: degraded | restored | clean"
        count, height, _ = next(iter(panels.values())).shape
        rows = line_places(count, height)
        self._events.emit("sample", path=relative, epoch=done, caption=caption, panels=list(PANELS), rows=rows)


def png_bytes(sheet: Image.Image) -> bytes:
    """The sheet as a file."""
    buffer = BytesIO()
    sheet.save(buffer, "PNG")
    return buffer.getvalue()
