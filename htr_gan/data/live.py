"""Columns of pictures that are made at the moment a step wants them: a pure function of the visit, never saved."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from htr_gan.config.data_section import DataConfig
from htr_gan.data.augment import AMOUNTS, augment_line
from htr_gan.data.render import Picture


class LivePictures(Protocol):
    """Makes a picture of each visit; may be called from several threads at once."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of every picture."""

    def visit(self, index: int, number: int) -> Picture:
        """Line `index` in pass `number`, always the same bytes."""


@dataclass(frozen=True)
class AugmentedLines:
    """Training lines, each a little different in every pass."""

    clean: NDArray[np.uint8]
    augment: str
    seed: int

    @property
    def size(self) -> tuple[int, int]:
        """That of the lines."""
        return self.clean.shape[1], self.clean.shape[2]

    def visit(self, index: int, number: int) -> Picture:
        """The line in another shape, contrast and grain."""
        return augment_line(self.clean[index], AMOUNTS[self.augment], self.seed, number, index)


def live_augmented(clean: NDArray[np.uint8], data: DataConfig, seed: int) -> Mapping[str, LivePictures]:
    """The live column `clean`, or none where the configuration wants no augmentation."""
    return {} if data.augment == "none" else {"clean": AugmentedLines(clean, data.augment, seed)}


def picture_function(
    live: LivePictures,
) -> Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.uint8]]:
    """A batch of visits as one call."""

    def make(indices: NDArray[np.int64], passes: NDArray[np.int64]) -> NDArray[np.uint8]:
        visits = zip(indices.tolist(), passes.tolist(), strict=True)
        return np.stack([live.visit(index, number) for index, number in visits])

    cv2.setNumThreads(1)  # pictures are small and several batches are made at once
    return make
