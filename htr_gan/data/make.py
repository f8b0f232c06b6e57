"""Renders sets of lines into a folder, with a few processes that each fill their part of one file.

The processes talk to nobody: when this process is killed they finish their part and end.
"""

from __future__ import annotations

import itertools
import json
import multiprocessing
import signal
from collections.abc import Callable
from dataclasses import asdict, dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from htr_gan.data.damage import Damage
from htr_gan.data.degrade import degrade
from htr_gan.data.fonts import Face, load_faces
from htr_gan.data.lines import ALPHABET, CLEAN, DEGRADED, SCHEMA, SETTINGS, TEXTS
from htr_gan.data.render import Picture, render_line
from htr_gan.data.texts import load_texts, texts_fingerprint
from htr_gan.data.words import sample_text
from htr_gan.errors import DataError
from htr_gan.files import fingerprint, write_json

RECIPE = 2
"""Raised whenever the same settings give other pictures, so that old caches are not taken for new ones."""

TRAINING_SPLIT = "train"
MOST_TRIES = 100
"""Texts that are drawn for a line before it is said that no font can draw them."""

LINES_PER_PROCESS = 250
"""Fewer are not worth the start of another process."""

_TEXT, _LOOK, _VERSO, _DAMAGE, _MORE_DAMAGE = range(5)
"""Independent streams of randomness of one line."""


@dataclass(frozen=True)
class LineSettings:
    """Everything a set of lines depends on."""

    lines: int
    seed: int
    split: str
    """Another split of the same seed shares nothing with this one."""
    height: int
    width: int
    text_length: int
    fonts: tuple[str, ...]
    damage: Damage | None
    """None: clean lines only."""
    texts: str | None = None
    """File that texts are drawn from."""

    def record(self) -> dict[str, Any]:
        """The settings as JSON, with the versions of recipe and faces."""
        faces = [face.key for face in load_faces(self.fonts)]
        own = {name: value for name, value in asdict(self).items() if name not in ("damage", "texts")}
        strength = None if self.damage is None else self.damage.strength
        record = {"schema": SCHEMA, "recipe": RECIPE, **own, "strength": strength}
        damage = {} if self.damage is None else self.damage.record()
        record |= {"fonts": list(self.fonts), "faces": faces}
        if self.texts is not None:
            record |= {"texts": texts_fingerprint(self.texts), ALPHABET: load_texts(self.texts).letters}
        return {**record, "damage": damage} if damage else record

    def name(self) -> str:
        """The name of the set's folder in the cache."""
        return f"{self.split}-{fingerprint(self.record())}"


def _stream(settings: LineSettings, index: int, stream: int) -> np.random.Generator:
    split = int.from_bytes(settings.split.encode()[:8], "big")
    return np.random.default_rng([settings.seed, split, index, stream])


def _draw_text(settings: LineSettings, faces: tuple[Face, ...], rng: np.random.Generator) -> str:
    """A text that at least one face can draw."""
    if settings.texts is None:
        return sample_text(rng, settings.text_length)
    source, trains = load_texts(settings.texts), settings.split == TRAINING_SPLIT
    for _ in range(MOST_TRIES):
        text = source.sample(rng, settings.text_length, trains=trains)
        if text and any(face.can_draw(text) for face in faces):
            return text
    raise DataError(
        f"{settings.texts}: {MOST_TRIES} texts in a row have letters that no font can draw",
        f"one of them: {text!r}; name other data.fonts",
    )


def line_text(settings: LineSettings, faces: tuple[Face, ...], index: int) -> str:
    """The transcription of line `index`."""
    return _draw_text(settings, faces, _stream(settings, index, _TEXT))


def clean_line(settings: LineSettings, faces: tuple[Face, ...], index: int) -> Picture:
    """Line `index` as it was written."""
    rng = _stream(settings, index, _LOOK)
    return _render(line_text(settings, faces, index), settings, faces, rng)


def _render(text: str, settings: LineSettings, faces: tuple[Face, ...], rng: np.random.Generator) -> Picture:
    """In one of the faces that can draw it; the built-in words are drawn in any, as all handwriting faces know them."""
    able = faces if settings.texts is None else tuple(face for face in faces if face.can_draw(text))
    return render_line(text, able, settings.height, settings.width, rng, whole=settings.texts is not None)


def degraded_line(settings: LineSettings, faces: tuple[Face, ...], index: int, clean: Picture) -> Picture:
    """Line `index` as it came down to us."""
    verso_rng = _stream(settings, index, _VERSO)
    verso = _render(_draw_text(settings, faces, verso_rng), settings, faces, verso_rng)
    assert settings.damage is not None
    rng, more = (_stream(settings, index, stream) for stream in (_DAMAGE, _MORE_DAMAGE))
    return degrade(clean, verso, settings.damage, rng, more)


def fill_part(settings: LineSettings, folder: Path, start: int, end: int) -> None:
    """Render lines `start` to `end` (exclusive) into the files that `make_lines` has laid out."""
    cv2.setNumThreads(1)
    faces = load_faces(settings.fonts)
    clean = np.lib.format.open_memmap(folder / CLEAN, mode="r+")
    damaged = None if settings.damage is None else np.lib.format.open_memmap(folder / DEGRADED, mode="r+")
    for index in range(start, end):
        picture = clean_line(settings, faces, index)
        clean[index] = picture
        if damaged is not None:
            damaged[index] = degraded_line(settings, faces, index, picture)


def _fill_part_in_process(settings: LineSettings, folder: Path, start: int, end: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ctrl+c in a terminal reaches all; the parent decides
    fill_part(settings, folder, start, end)


def make_lines(settings: LineSettings, folder: Path, workers: int, check: Callable[[], None]) -> None:
    """Fill the empty `folder` with the set; `check` is asked ten times a second and may raise to give up."""
    load_faces(settings.fonts)  # a missing font should be said here, not by a worker
    shape = (settings.lines, settings.height, settings.width)
    for name in (CLEAN,) if settings.damage is None else (CLEAN, DEGRADED):
        np.lib.format.open_memmap(folder / name, mode="w+", dtype=np.uint8, shape=shape).flush()
    count = min(workers, settings.lines // LINES_PER_PROCESS)
    if count < 2:
        for start in range(0, settings.lines, LINES_PER_PROCESS):
            check()
            fill_part(settings, folder, start, min(start + LINES_PER_PROCESS, settings.lines))
    else:
        _fill_with_processes(settings, folder, count, check)
    faces = load_faces(settings.fonts)
    texts = [line_text(settings, faces, index) for index in range(settings.lines)]
    (folder / TEXTS).write_text(json.dumps(texts, ensure_ascii=False), encoding="utf-8")
    write_json(folder / SETTINGS, settings.record())


def _fill_with_processes(settings: LineSettings, folder: Path, count: int, check: Callable[[], None]) -> None:
    # Spawned, not forked: this process may hold threads of TensorFlow.
    context = multiprocessing.get_context("spawn")
    bounds = [settings.lines * part // count for part in range(count + 1)]
    processes: list[BaseProcess] = [
        context.Process(target=_fill_part_in_process, args=(settings, folder, start, end), daemon=True)
        for start, end in itertools.pairwise(bounds)
    ]
    try:
        for process in processes:
            process.start()
        for process in processes:
            while process.is_alive():
                check()
                process.join(0.1)
    finally:
        for process in processes:
            if process.is_alive():
                process.terminate()
                process.join()
    check()
    failed = [process.exitcode for process in processes if process.exitcode != 0]
    if failed:
        raise DataError("rendering failed", f"exit status of the rendering processes: {failed}; see the lines above")
