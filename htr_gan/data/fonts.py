"""Handwriting faces from installed font packages (`fontpkg-*`), font files and folders of them."""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from PIL import ImageFont

from htr_gan.config.data_section import FONT_SUFFIXES, is_font_path
from htr_gan.errors import DataError, MissingFileError

PROBE_SIZE = 100
"""Faces are measured once at this size; their shape scales."""


@dataclass(frozen=True, slots=True)
class Face:
    """One font file at one weight, with its height in units of its size."""

    path: str
    weight: int | None
    """Value of the weight axis of a variable font; None for a font of one weight."""
    ascent: float
    descent: float
    checksum: str = ""
    """Of a font file of the user's own, whose name says little; a package's font is known by its name."""

    @property
    def key(self) -> str:
        """A name that is the same on every machine."""
        name = f"{Path(self.path).name}:{self.weight or ''}"
        return f"{name}:{self.checksum}" if self.checksum else name

    def can_draw(self, text: str) -> bool:
        """Whether the face has a glyph for every letter."""
        return all(_has_glyph(self.path, self.weight, letter) for letter in text)


VARIABLE_WEIGHTS = (400, 550, 700)


@lru_cache(maxsize=512)
def load_font(path: str, weight: int | None, size: float) -> ImageFont.FreeTypeFont:
    """The face at a size in pixels; a process keeps the last ones, as opening a font costs more than drawing a line."""
    font = ImageFont.truetype(path, size)
    if weight is not None:
        font.set_variation_by_axes([weight])
    return font


def _measure(path: str, weight: int | None) -> Face:
    font = load_font(path, weight, PROBE_SIZE)
    _, top, _, bottom = font.getbbox("bdfhkltgjpqy", anchor="ls")
    return Face(path, weight, -top / PROBE_SIZE, bottom / PROBE_SIZE)


NO_LETTER = "\U0010fffe"
"""A code point that is never a letter: a face draws it as the box, or the nothing, that stands for a missing glyph."""


@lru_cache(maxsize=65536)
def _has_glyph(path: str, weight: int | None, letter: str) -> bool:
    if letter.isspace():
        return True
    drawn, missing = (_drawing(path, weight, sign) for sign in (letter, NO_LETTER))
    return bool(drawn[1].strip(b"\0")) and drawn != missing


@lru_cache(maxsize=256)
def _drawing(path: str, weight: int | None, letter: str) -> tuple[tuple[int, int], bytes]:
    mask = load_font(path, weight, PROBE_SIZE).getmask(letter)
    return mask.size, bytes(mask)


def _own_faces(entry: str) -> list[Face]:
    """The faces of a font file, or of all font files in a folder."""
    place = Path(entry)
    files = (
        sorted(file for file in place.rglob("*") if file.suffix.lower() in FONT_SUFFIXES) if place.is_dir() else [place]
    )
    if not files or not all(file.is_file() for file in files):
        raise MissingFileError(place, f"data.fonts: a font file or a folder with some ({' '.join(FONT_SUFFIXES)})")
    return [_own_face(file) for file in files]


def _own_face(file: Path) -> Face:
    try:
        face = _measure(str(file), None)
        checksum = hashlib.sha256(file.read_bytes()).hexdigest()[:16]
    except OSError as error:
        raise DataError(f"{file}: not a font that can be read", str(error)) from error
    if face.ascent + face.descent <= 0:
        raise DataError(f"{file}: letters without height", "a font with Latin letters is expected")
    return Face(face.path, None, face.ascent, face.descent, checksum)


def _font_files(family: str) -> list[Path]:
    module = f"fontpkg_{family.replace('-', '_')}"
    found = importlib.util.find_spec(module)
    folders = [Path(place) / "files" for place in (found.submodule_search_locations or [])] if found else []
    files = sorted(file for folder in folders for file in folder.glob("*.ttf"))
    if not files:
        raise MissingFileError(
            f"{module}/files/*.ttf",
            f"the handwriting font {family!r} is not installed",
            f"pip install fontpkg-{family}",
        )
    return files


@lru_cache(maxsize=8)
def load_faces(families: tuple[str, ...]) -> tuple[Face, ...]:
    """All faces of the families, in a fixed order; MissingFileError or DataError for one that is not there."""
    faces: list[Face] = []
    for family in families:
        if is_font_path(family):
            faces.extend(_own_faces(family))
            continue
        for file in _font_files(family):
            weights: tuple[int | None, ...] = VARIABLE_WEIGHTS if "[wght]" in file.name else (None,)
            faces.extend(_measure(str(file), weight) for weight in weights)
    return tuple(faces)
