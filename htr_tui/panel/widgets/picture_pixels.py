"""A PNG file as a small grid of pixels for the terminal; runs in a thread, knows no Textual, loads Pillow when used.

What cannot be shown becomes a `PictureError` with a sentence for people; a broken, huge or hostile file is normal.
"""

from __future__ import annotations

import stat
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_PIXELS: Final = 40_000_000
MAX_BYTES: Final = 64 * 1024 * 1024
READABLE_SCALE: Final = 0.4
"""Cells a pixel across; panels side by side that would be drawn smaller are put below each other: at 0.4 a line of
writing 32 pixels high is 6 lines of the terminal high, about the least that can be read."""

MAX_SCALE: Final = 2.0
MAX_ROWS: Final = 4000
"""Rows of pixels of one panel on screen."""

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"


class PictureError(Exception):
    """Why a picture cannot be shown, as a sentence."""


@dataclass(frozen=True, slots=True)
class Pixels:
    """Rows of pixels, two rows to a line of the terminal."""

    width: int
    height: int
    """Always even."""
    data: bytes
    """Row by row; one byte a pixel if `is_grey`, else three."""
    is_grey: bool
    paper: float
    """Lightness, 0 to 1, of what covers most of the picture: the paper, where it is a page."""
    ink: float
    """Lightness at the other end of the scale."""

    def at(self, x: int, y: int) -> tuple[int, int, int]:
        """Red, green and blue of a pixel."""
        place = y * self.width + x
        if self.is_grey:
            grey = self.data[place]
            return grey, grey, grey
        red, green, blue = self.data[3 * place : 3 * place + 3]
        return red, green, blue

    def inked(self, x: int, y: int) -> float:
        """How much ink two pixels above each other hold, 0 (paper) to 1: for characters instead of colours."""
        light = (sum(self.at(x, y)) + sum(self.at(x, y + 1))) / (6 * 255)
        if self.ink == self.paper:
            return 0.0
        return min(1.0, max(0.0, (light - self.paper) / (self.ink - self.paper)))


@dataclass(frozen=True, slots=True)
class Panel:
    """A part of a picture under its captions."""

    captions: tuple[tuple[int, str], ...]
    """Each with the cell it starts at."""
    pixels: Pixels


@dataclass(frozen=True, slots=True)
class Picture:
    """What is drawn: parts of a picture, one below the other."""

    panels: tuple[Panel, ...]
    source_size: tuple[int, int]
    """Pixels of the file across and down."""
    is_stacked: bool


def load_picture(
    path: Path,
    panels: Sequence[str],
    width: int,
    is_stacked: bool | None = None,
    rows: Sequence[tuple[int, int]] = (),
) -> Picture:
    """The picture at `width` cells; several panels beside each other, or stacked where that would be too small.

    `is_stacked` None chooses; stacked, each of `rows` (top, height in pixels) is shown with all its panels before the
    next. Raises PictureError.
    """
    image = _open(path)
    try:
        return _arrange(image, list(panels), max(1, width), is_stacked, rows)
    except PictureError:
        raise
    except Exception as error:  # Pillow raises nearly anything for a broken file
        raise PictureError(f"{path.name} cannot be read: {_reason(error)}.") from error


def _open(path: Path) -> Image:
    _check_header(path)
    try:
        from PIL import Image
    except ImportError as error:
        raise PictureError("Pictures need Pillow: pip install 'htr-tui[images]'.") from error
    try:
        return Image.open(path, formats=("PNG",))
    except Exception as error:
        raise PictureError(f"{path.name} cannot be read: {_reason(error)}.") from error


def _check_header(path: Path) -> None:
    """Refuse what is no PNG file or too large, before any of it is decoded."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise PictureError(f"{path.name} is not a file.")
        with path.open("rb") as file:
            header = file.read(24)
    except OSError as error:
        raise PictureError(f"{path.name} cannot be read: {error.strerror or error}.") from error
    if not status.st_size:
        raise PictureError(f"{path.name} is empty.")
    if len(header) < 24 or not header.startswith(_SIGNATURE):
        raise PictureError(f"{path.name} is not a PNG picture.")
    width, height = struct.unpack(">II", header[16:24])
    if width * height > MAX_PIXELS:
        raise PictureError(f"{path.name} has {width} x {height} pixels, more than can be shown.")
    if not width * height:
        raise PictureError(f"{path.name} has no pixels.")
    if status.st_size > MAX_BYTES:
        raise PictureError(f"{path.name} has {status.st_size // 2**20} MB, more than can be shown.")


def _reason(error: Exception) -> str:
    return str(error).rstrip(".")[:200] or type(error).__name__


def _arrange(
    image: Image, panels: list[str], width: int, is_stacked: bool | None, rows: Sequence[tuple[int, int]]
) -> Picture:
    image = _plain(image)
    source = image.size
    count = len(panels)
    can_stack = count > 1 and source[0] >= 2 * count
    if is_stacked is None:
        is_stacked = width / source[0] < READABLE_SCALE
    if not (is_stacked and can_stack):
        pixels = _scaled(image, width)
        captions = tuple((i * pixels.width // count, caption) for i, caption in enumerate(panels))
        return Picture((Panel(captions, pixels),), source, False)
    edges = [i * source[0] // count for i in range(count + 1)]
    inside = [(top, height) for top, height in rows if top + height <= source[1]]
    below = tuple(
        Panel(((0, caption),), _scaled(image.crop((left, top, right, top + height)), width))
        for top, height in inside or [(0, source[1])]
        for caption, (left, right) in zip(panels, pairwise(edges), strict=True)
    )
    return Picture(below, source, True)


def _plain(image: Image) -> Image:
    """The picture as 8-bit grey or colour, on white where it is transparent."""
    from PIL import Image as Pillow

    if image.mode.startswith("I") or image.mode == "F":
        return image.convert("F").point(lambda value: value * (1 / 257)).convert("L")
    if image.mode in ("1", "L"):
        return image.convert("L")
    if image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        paper = Pillow.new("RGBA", rgba.size, "white")
        flat = Pillow.alpha_composite(paper, rgba)
        return flat.convert("L" if image.mode == "LA" else "RGB")
    return image.convert("RGB")


def _scaled(image: Image, width: int) -> Pixels:
    """`width` cells wide at most and never more than twice its size, pixels square: a cell is two pixels high."""
    from PIL import Image as Pillow

    scale = min(width / image.width, MAX_SCALE, MAX_ROWS / image.height)
    across = max(1, round(image.width * scale))
    down = max(2, round(image.height * scale))
    down += down % 2
    method = Pillow.Resampling.BOX if scale < 1 else Pillow.Resampling.BICUBIC
    small = image.resize((across, down), method)
    grey = small.convert("L")
    counts = grey.histogram()
    present = [light for light in range(256) if counts[light]]
    is_light = sum(counts[128:]) >= sum(counts[:128])
    paper, ink = (present[-1], present[0]) if is_light else (present[0], present[-1])
    return Pixels(across, down, small.tobytes(), small.mode == "L", paper / 255, ink / 255)
