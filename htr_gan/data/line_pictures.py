"""Lines as PNG files to look at: clean, degraded, as some passes over the set see them, and all on one sheet."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from htr_gan.data.lines import LineSet
from htr_gan.data.live import LivePictures
from htr_gan.data.render import Picture

PASSES = 3
"""Passes over the set whose pictures are shown."""
PICTURES, SHEET = "png", "sheet.png"
GAP = 4
"""White rows between the lines of the sheet."""


def views(lines: LineSet, index: int, live: Mapping[str, LivePictures]) -> dict[str, Picture]:
    """The pictures of a line by name: what is stored, then what passes 1 to `PASSES` make of it."""
    found = {"clean": lines.clean[index]}
    if lines.degraded is not None:
        found["degraded"] = lines.degraded[index]
    for name, pictures in live.items():
        for number in range(PASSES):
            found[f"{name}-pass-{number + 1}"] = pictures.visit(index, number)
    return found


def write_pictures(lines: LineSet, folder: Path, count: int, live: Mapping[str, LivePictures]) -> None:
    """The first `count` lines as png/NUMBER-VIEW.png and png/NUMBER.txt in `folder`, and all of them on one sheet."""
    place = folder / PICTURES
    place.mkdir(parents=True, exist_ok=True)
    rows: list[Picture] = []
    for index in range(min(count, len(lines))):
        seen = views(lines, index, live)
        for name, picture in seen.items():
            Image.fromarray(picture).save(place / f"{index:05d}-{name}.png")
        (place / f"{index:05d}.txt").write_text(lines.texts[index] + "\n", encoding="utf-8")
        rows += [*seen.values(), np.full((GAP, lines.clean.shape[2]), 255, np.uint8)]
    if rows:
        Image.fromarray(np.concatenate(rows)).save(folder / SHEET)
