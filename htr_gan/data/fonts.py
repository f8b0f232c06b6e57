"""Handwriting faces from installed font packages (`fontpkg-*`)."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from PIL import ImageFont

from htr_gan.errors import MissingFileError

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

    @property
    def key(self) -> str:
        """A name that is the same on every machine."""
        return f"{Path(self.path).name}:{self.weight or ''}"


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
    """All faces of the families, in a fixed order; MissingFileError for a family that is not installed."""
    faces: list[Face] = []
    for family in families:
        for file in _font_files(family):
            weights: tuple[int | None, ...] = VARIABLE_WEIGHTS if "[wght]" in file.name else (None,)
            faces.extend(_measure(str(file), weight) for weight in weights)
    return tuple(faces)
