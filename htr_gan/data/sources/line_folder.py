"""Folders of ours, as `htr-gan data` and `htr-gan import` write them: to be joined with others or written as records."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from htr_gan.data.lines import DEGRADED, SETTINGS, read_lines
from htr_gan.data.sources.source_line import Reading, SourceLine
from htr_gan.data.sources.splits import SPLITS


def is_line_folder(path: Path) -> bool:
    """Whether `path` holds at least one split of ours."""
    return any((path / split / SETTINGS).is_file() for split in SPLITS)


def read_line_folder(path: Path, _reading: Reading) -> Iterator[SourceLine]:
    """The lines of all splits that are there."""
    for split in SPLITS:
        folder = path / split
        if not (folder / SETTINGS).is_file():
            continue
        lines = read_lines(folder, with_degraded=(folder / DEGRADED).is_file())
        for index, text in enumerate(lines.texts):
            degraded = None if lines.degraded is None else lines.degraded[index]
            yield SourceLine(f"{split}#{index}", lines.clean[index], text, split, degraded)
