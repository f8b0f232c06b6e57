"""A line of text in a handwriting face: dark ink on white paper, uint8."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from htr_gan.data.fonts import Face, load_font

Picture = NDArray[np.uint8]

MARGIN = 3
"""Pixels kept free at the left and right edge."""
SHORTEST, TALLEST = 0.84, 1.0
"""Ascent plus descent of a face, as shares of the picture's height."""
MAX_SLANT = 0.15
DARKEST, PALEST = 0, 60
"""Grey values of the ink."""


def render_line(
    text: str, faces: tuple[Face, ...], height: int, width: int, rng: np.random.Generator, *, whole: bool = False
) -> Picture:
    """`text` drawn in a random face, size, slant, place and ink; every draw comes from `rng`.

    A face's size is chosen for its lower-case letters; `whole` makes it smaller where this text would be cut off above
    or below, as the capitals of some faces are.
    """
    face = faces[int(rng.integers(len(faces)))]
    share, slant = rng.uniform(SHORTEST, TALLEST), rng.uniform(-MAX_SLANT, MAX_SLANT)
    across, along = rng.uniform(0.0, 1.0, size=2)
    ink = int(rng.integers(DARKEST, PALEST + 1))
    room = width - 2 * MARGIN - abs(slant) * height
    size = _fitting_size(text, face, height * share, room)
    if whole:
        size = _half(min(size, size * height / _tall(text, face, size)))
    font = load_font(face.path, face.weight, size)
    left, top, right, bottom = font.getbbox(text, anchor="ls")
    x = MARGIN - left + along * max(room - (right - left), 0.0) + abs(slant) * height / 2
    y = -top + across * max(height - (bottom - top), 0.0)
    sheet = Image.new("L", (width, height), 255)
    ImageDraw.Draw(sheet).text((x, y), text, font=font, fill=ink, anchor="ls")
    return _slanted(np.asarray(sheet), slant)


def _fitting_size(text: str, face: Face, tall: float, room: float) -> float:
    """The size at which the face is `tall` pixels, less if `text` is wider than `room`; in half pixels (font cache)."""
    size = tall / (face.ascent + face.descent)
    long = load_font(face.path, face.weight, _half(size)).getlength(text)
    return _half(size if long <= room else size * room / long)


def _tall(text: str, face: Face, size: float) -> float:
    _, top, _, bottom = load_font(face.path, face.weight, size).getbbox(text, anchor="ls")
    return max(bottom - top, 1.0)


def _half(size: float) -> float:
    return max(math.floor(size * 2) / 2, 4.0)


def _slanted(picture: NDArray[np.uint8], slant: float) -> Picture:
    height, width = picture.shape
    shear = np.array([[1.0, -slant, slant * height / 2], [0.0, 1.0, 0.0]])
    return np.asarray(
        cv2.warpAffine(picture, shear, (width, height), flags=cv2.INTER_LINEAR, borderValue=255.0), np.uint8
    )
