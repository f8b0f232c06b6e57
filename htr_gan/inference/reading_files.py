"""Reads files: pictures of lines, and pages with the places of their lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from htr_gan.data.sources.baseline_cut import UncuttableError, cut_line
from htr_gan.data.sources.page_line import PageLine
from htr_gan.data.sources.pages import page_lines
from htr_gan.errors import DataError, GanError
from htr_gan.inference.files import in_groups
from htr_gan.inference.pictures import load_picture
from htr_gan.inference.reader import Reader
from htr_gan.inference.reading import Reading
from htr_gan.inference.restorer import Restorer

Picture = NDArray[np.uint8]
Failed = Callable[[GanError], None]
WIDEST = 256
"""A picture more than so many times as wide as it is high is no line."""


@dataclass(frozen=True)
class ReadLine:
    """A line that was read, with where it comes from."""

    file: Path
    line_id: str | None
    """Of the line in its XML; None for a picture of one line."""
    reading: Reading

    @property
    def name(self) -> str:
        """File, and line where there is one."""
        return str(self.file) if self.line_id is None else f"{self.file}#{self.line_id}"

    def record(self) -> dict[str, Any]:
        """As JSON."""
        place = {"file": str(self.file)} | ({} if self.line_id is None else {"line": self.line_id})
        return {**place, **self.reading.record()}


class FileReader:
    """A recogniser, behind a generator if the lines are to be restored first."""

    def __init__(self, reader: Reader, restorer: Restorer | None, batch: int, failed: Failed) -> None:
        self._reader, self._restorer, self._batch, self._failed = reader, restorer, batch, failed

    def read_pictures(self, files: Sequence[Path], check: Callable[[], None]) -> Iterator[ReadLine]:
        """One line a file; those that cannot be read are told to `failed` and left out."""
        for group in in_groups(list(files), self._batch, check):
            pictures: dict[Path, Picture] = {}
            for path in group:
                try:
                    pictures[path] = _line_picture(path)
                except GanError as error:
                    self._failed(error)
            for path, reading in zip(pictures, self._read(list(pictures.values())), strict=True):
                yield ReadLine(path, None, reading)

    def read_page(self, path: Path) -> list[tuple[str, Reading | None]]:
        """Id and reading of each line of a PAGE XML or ALTO file; None for a line that cannot be cut out.

        DataError if the file or the picture of its page cannot be used at all.
        """
        lines = page_lines(path)
        if not lines:
            return []
        strips = self._cut(path, lines)
        readings = iter(self._read([strip for strip in strips if strip is not None]))
        found = [None if strip is None else next(readings) for strip in strips]
        return [(line.line_id, reading) for line, reading in zip(lines, found, strict=True)]

    def _cut(self, path: Path, lines: Sequence[PageLine]) -> list[Picture | None]:
        if lines[0].image is None:
            raise DataError(f"{path}: the picture of the page is not beside it")
        page = _bytes(load_picture(lines[0].image).grey())
        strips: list[Picture | None] = []
        for line in lines:
            try:
                strips.append(cut_line(page, line, self._reader.height))
            except UncuttableError as error:
                self._failed(DataError(f"{path}#{line.line_id}: cannot be cut out", str(error)))
                strips.append(None)
        return strips

    def _read(self, pictures: list[Picture]) -> list[Reading]:
        if not pictures:
            return []
        if self._restorer is not None:
            lines = [picture.astype(np.float32) / np.float32(255.0) for picture in pictures]
            pictures = [_bytes(line) for line in self._restorer.restore_lines(lines, self._batch)]
        is_raw = self._restorer is None  # a generator whitens the paper itself
        return self._reader.read(pictures, self._batch, flatten=self._reader.flattens and is_raw)


def _line_picture(path: Path) -> Picture:
    picture = _bytes(load_picture(path).grey())
    if picture.shape[1] > WIDEST * picture.shape[0]:
        raise DataError(f"{path}: {picture.shape[1]} x {picture.shape[0]} pixels are not a line of text")
    return picture


def _bytes(unit: NDArray[np.float32]) -> Picture:
    return np.asarray(np.rint(unit * 255.0), np.uint8)
