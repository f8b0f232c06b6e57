"""A line on a page as PAGE XML and ALTO describe it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

Point = tuple[float, float]
Points = tuple[Point, ...]
"""(x, y) in pixels of the page as its XML counts them."""

_NUMBER = re.compile(r"[-+]?\d*\.?\d+(?:[eE][-+]?\d+)?")


@dataclass(frozen=True)
class PageLine:
    """One line of writing: where it is, and what it says if anybody has said so."""

    page_file: Path
    """The XML file."""
    image: Path | None
    """The picture of the page; None if none was found beside the XML."""
    line_id: str
    """The id of the line in the XML; unique in the file, made from its place where the file gives none."""
    baseline: Points | None
    """From the start of the writing to its end; None if neither it nor a polygon is given."""
    polygon: Points | None
    """Around the ink of the line."""
    text: str | None
    """As in the file; None if it has no text element."""
    page_size: tuple[float, float] | None = None
    """Width and height of the page in the unit of the coordinates, as the file tells them."""
    pitch: float | None = None
    """Distance to the neighbouring baselines, for lines without a polygon."""


def parse_points(text: str | None) -> Points | None:
    """Points of `x,y x,y` or `x y x y`; None for fewer than two or for an odd count of numbers."""
    numbers = [float(number) for number in _NUMBER.findall(text or "")]
    if len(numbers) < 4 or len(numbers) % 2:
        return None
    return tuple(zip(numbers[::2], numbers[1::2], strict=True))
