"""A recogniser at work: pictures of lines in, texts with confidences out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from htr_gan.alphabet import Alphabet
from htr_gan.data.flatten import flatten_paper
from htr_gan.data.sources.fit import fit_picture
from htr_gan.inference.reading import Reading, read_line

Picture = NDArray[np.uint8]
GROWTH = 1.25
"""Widths of networks are steps of this factor, so that lines of all widths need a handful of networks."""
WIDEST = 10
"""Steps beyond the width that was trained on: about nine times; what is wider still is squeezed."""
GRID = 16


class Reader:
    """Reads lines of any size.

    A line is scaled to `height` with its aspect kept and, as in training, padded at its right with its paper. Lines
    wider than those of the training are read by the same network built wider, or squeezed if it `is_fixed`. What a
    line's neighbours in the batch are never changes what is read.
    """

    def __init__(
        self,
        network_for: Callable[[int], Callable[[Any], Any]],
        height: int,
        width: int,
        alphabet: Alphabet,
        label: str,
        sha256: str,
        *,
        is_fixed: bool = False,
        flattens: bool = False,
    ) -> None:
        self._network_for = network_for
        self.height, self.width, self.alphabet, self.label, self.sha256 = height, width, alphabet, label, sha256
        self.flattens = flattens
        """Whether it learned on lines that were brought onto white paper, so that pictures should be, too."""
        self._widths = [width]
        if not is_fixed:
            self._widths += [round(width * GROWTH**step / GRID) * GRID for step in range(1, WIDEST + 1)]
        self._networks: dict[int, Callable[[Any], Any]] = {}

    def read(self, pictures: Sequence[Picture], batch: int = 32, *, flatten: bool = False) -> list[Reading]:
        """The readings of pictures [any height, any width], dark ink on light paper; `flatten` whitens the paper."""
        by_width: dict[int, list[int]] = {}
        for index, picture in enumerate(pictures):
            by_width.setdefault(self._width_for(picture), []).append(index)
        found: dict[int, Reading] = {}
        for width, indices in by_width.items():
            for start in range(0, len(indices), batch):
                part = indices[start : start + batch]
                logits = self._logits([pictures[index] for index in part], width, flatten)
                found |= {index: read_line(row, self.alphabet) for index, row in zip(part, logits, strict=True)}
        return [found[index] for index in range(len(pictures))]

    def _width_for(self, picture: Picture) -> int:
        natural = round(picture.shape[1] * self.height / picture.shape[0])
        return next((width for width in self._widths if natural <= width), self._widths[-1])

    def _logits(self, pictures: list[Picture], width: int, flatten: bool) -> NDArray[np.float32]:
        if width not in self._networks:
            self._networks[width] = self._network_for(width)
        lines = [fit_picture(picture, self.height, width).picture for picture in pictures]
        fitted = np.stack([flatten_paper(line) if flatten else line for line in lines])
        return np.asarray(self._networks[width](fitted[..., None].astype(np.float32) / 255.0), np.float32)
