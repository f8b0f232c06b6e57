"""A generator at work: windows of lines in, restored windows out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from htr_gan.errors import DataError
from htr_gan.inference.windows import cut_windows, join_windows

Floats = NDArray[np.float32]
LONGEST = 256
"""A line more than so many times as wide as it is high is no line, and would fill the memory."""


class Restorer:
    """Restores lines of `height`, dark ink on white in [0, 1], in windows of `width`."""

    def __init__(self, network: Callable[[Any], Any], height: int, width: int, label: str) -> None:
        self._network = network
        self.height, self.width, self.label = height, width, label

    def check_shape(self, shape: tuple[int, ...], path: object) -> None:
        """DataError for a picture that is no line of text."""
        if shape[1] > LONGEST * shape[0]:
            raise DataError(f"{path}: {shape[1]} x {shape[0]} pixels are not a line of text")

    def restore_windows(self, windows: Floats, batch: int) -> Floats:
        """[windows, height, width] to the same, `batch` at a time."""
        parts = [self._network(windows[start : start + batch, ..., None]) for start in range(0, len(windows), batch)]
        return np.asarray(np.concatenate(parts)[..., 0], np.float32)

    def restore_lines(self, lines: list[Floats], batch: int = 8) -> list[Floats]:
        """Lines [any height, any width] to restored lines of the same sizes; windows of several share a batch."""
        scaled = [self.to_height(line) for line in lines]
        cut = [cut_windows(line, self.width) for line in scaled]
        restored = self.restore_windows(np.concatenate(cut), batch)
        parts = np.split(restored, np.cumsum([len(windows) for windows in cut])[:-1])
        joined = (join_windows(part, line.shape[1]) for part, line in zip(parts, scaled, strict=True))
        return [_resized(line, *original.shape) for line, original in zip(joined, lines, strict=True)]

    def to_height(self, line: Floats) -> Floats:
        """A line scaled to the height of the network, its aspect kept."""
        height, width = line.shape
        return _resized(line, self.height, max(round(width * self.height / height), 1))


def _resized(line: Floats, height: int, width: int) -> Floats:
    if line.shape == (height, width):
        return line
    shrinks = height * width < line.size
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    scaled = cv2.resize(line, (width, height), interpolation=method)
    return np.asarray(np.clip(scaled, 0.0, 1.0), np.float32)
