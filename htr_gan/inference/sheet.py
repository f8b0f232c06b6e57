"""The contact sheet: best, median and worst lines with what was read in them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from htr_gan.data.fonts import load_faces
from htr_gan.errors import MissingFileError

Picture = NDArray[np.uint8]
GAP, CAPTION, HEADING = 6, 17, 22
"""Pixels between pictures, for the text above each, and for the title of a group."""
TEXT_SIZE = 13
PAPER, INK, GROUND = 255, 0, 200
NARROWEST, READABLE = 500, 64
"""Width of a sheet at least, and the height that small lines are enlarged to."""
TALLEST = 30_000
"""Pixels; viewers and memory have their limits."""
_MISSING_GLYPH = "\U0010ffff"


@dataclass(frozen=True)
class SheetLine:
    """Pictures of one line with a caption each, below each other."""

    title: str
    panels: tuple[tuple[str, Picture], ...]


@dataclass(frozen=True)
class Group:
    """Lines under a common title."""

    title: str
    lines: tuple[SheetLine, ...]


def best_median_worst(rates: NDArray[np.float64], second: NDArray[np.float64], count: int) -> dict[str, list[int]]:
    """Indices of at most `count` lines each, by error rate and among equals by `second` (less is better).

    No line stands in two groups: few lines fill worst, then best, then median.
    """
    order = np.lexsort((second, rates)).tolist()
    count = min(count, len(order))
    worst = order[max(len(order) - count, 0) :][::-1]
    left = [index for index in order if index not in set(worst)]
    best = left[:count]
    left = left[count:]
    middle = max((len(left) - count) // 2, 0)
    return {"best": best, "median": left[middle : middle + count], "worst": worst}


def draw_sheet(groups: Iterable[Group]) -> bytes:
    """A PNG; captions are drawn as they are, with a stand-in for each character that no font has."""
    groups = [group for group in groups if group.lines]
    panels = [panel for group in groups for line in group.lines for panel in line.panels]
    width = max([NARROWEST, *(_enlarged(picture).shape[1] for _, picture in panels)]) + 2 * GAP
    height = sum(_group_height(group) for group in groups) + GAP
    sheet = Image.new("L", (width, min(height, TALLEST)), GROUND)
    pen, top = ImageDraw.Draw(sheet), GAP
    for group in groups:
        _write(pen, (GAP, top), group.title, width - 2 * GAP)
        top += HEADING
        for line in group.lines:
            top = _draw_line(sheet, pen, line, top, width) + GAP
    buffer = BytesIO()
    sheet.save(buffer, "PNG")
    return buffer.getvalue()


def _group_height(group: Group) -> int:
    return HEADING + sum(_line_height(line) + GAP for line in group.lines)


def _line_height(line: SheetLine) -> int:
    return CAPTION + sum(CAPTION + len(_enlarged(picture)) for _, picture in line.panels)


def _enlarged(picture: Picture) -> Picture:
    """Small lines by a whole factor, so that they can be looked at beside their captions."""
    factor = max(round(READABLE / len(picture)), 1)
    return picture.repeat(factor, axis=0).repeat(factor, axis=1)


def _draw_line(sheet: Image.Image, pen: ImageDraw.ImageDraw, line: SheetLine, top: int, width: int) -> int:
    _write(pen, (GAP, top), line.title, width - 2 * GAP)
    top += CAPTION
    for caption, small in line.panels:
        picture = _enlarged(small)
        _write(pen, (GAP, top), caption, width - 2 * GAP)
        sheet.paste(Image.fromarray(picture), (GAP, top + CAPTION))
        top += CAPTION + picture.shape[0]
    return top


def _write(pen: ImageDraw.ImageDraw, place: tuple[int, int], text: str, room: int) -> None:
    font, shown = fitting_text(text)
    if font.getlength(shown) > room:
        while shown and font.getlength(shown + "...") > room:
            shown = shown[:-1]
        shown += "..."
    pen.text(place, shown, fill=INK, font=font)


def fitting_text(text: str) -> tuple[ImageFont.FreeTypeFont, str]:
    """A font and what to draw with it: control characters and those without a glyph become <U+XXXX>.

    Of all fonts at hand the one is taken that lacks the fewest characters of `text`.
    """
    font = min(_fonts(), key=lambda candidate: sum(not _has(candidate, letter) for letter in set(text)))
    return font, "".join(letter if _has(font, letter) else f"<U+{ord(letter):04X}>" for letter in text)


@lru_cache(maxsize=1)
def _fonts() -> tuple[ImageFont.FreeTypeFont, ...]:
    """Fonts of the system that are made for reading, Pillow's own, and the handwriting faces."""
    fonts: list[ImageFont.FreeTypeFont] = []
    for name in ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "LiberationSans-Regular.ttf", "FreeSans.ttf"):
        try:
            fonts.append(ImageFont.truetype(name, TEXT_SIZE))
        except OSError:
            continue
    own = ImageFont.load_default(TEXT_SIZE)
    if isinstance(own, ImageFont.FreeTypeFont):
        fonts.append(own)
    for family in ("delius", "kalam"):
        try:
            fonts += [ImageFont.truetype(face.path, TEXT_SIZE) for face in load_faces((family,))[:1]]
        except MissingFileError:
            continue
    return tuple(fonts)


@lru_cache(maxsize=4096)
def _has(font: ImageFont.FreeTypeFont, letter: str) -> bool:
    """Whether the font draws `letter` and not its box for unknown characters."""
    if letter == " ":
        return True
    if not letter.isprintable():
        return False
    drawn, box = font.getmask(letter), font.getmask(_MISSING_GLYPH)
    return (drawn.size, bytes(drawn)) != (box.size, bytes(box))
