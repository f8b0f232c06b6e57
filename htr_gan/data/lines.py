"""A set of lines in memory and as a folder: `clean.npy`, `degraded.npy`, `texts.json`, `settings.json`.

Imported sets also have `names.json`, and no `degraded.npy` if their source has clean lines only.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from htr_gan.alphabet import LOWERCASE, Alphabet
from htr_gan.errors import DataError, MissingFileError
from htr_gan.files import read_json, write_json

SCHEMA = 1
CLEAN, DEGRADED, TEXTS, SETTINGS = "clean.npy", "degraded.npy", "texts.json", "settings.json"
NAMES = "names.json"
ALPHABET = "alphabet"
"""The key of settings.json that holds the letters as one text."""
IMPORTED = "imported"
"""The key of settings.json that says that lines come from people's data and not from our renderer."""


@dataclass(frozen=True)
class LineSet:
    """Lines of one size: pictures as uint8 [lines, height, width], dark ink on white paper, and their texts."""

    clean: NDArray[np.uint8]
    degraded: NDArray[np.uint8] | None
    """None for a set that only trains a recogniser, and for imported lines that have no degraded picture."""
    texts: tuple[str, ...]
    alphabet: Alphabet = LOWERCASE
    """The letters that a recogniser of these lines should know: those of the training split, or of a charset file."""
    names: tuple[str, ...] | None = None
    """SOURCE/LINE of each imported line."""
    imported: bool = False
    """Texts may hold letters that the alphabet lacks; they have no label and count as errors."""

    def __len__(self) -> int:
        return len(self.texts)


def read_lines(folder: Path, *, with_degraded: bool) -> LineSet:
    """The set in `folder`; MissingFileError or DataError says what is wrong with it."""
    settings = read_json(folder / SETTINGS)
    if settings is None:
        raise MissingFileError(folder / SETTINGS, "a folder of lines made by `htr-gan data` was expected")
    if settings.get("schema") != SCHEMA:
        raise DataError(f"{folder}: schema {settings.get('schema')!r}", f"this version reads schema {SCHEMA}")
    imported = settings.get(IMPORTED) is True
    wants_degraded = with_degraded and settings.get("degraded") is not False
    clean = _read_pictures(folder / CLEAN)
    degraded = _read_pictures(folder / DEGRADED) if wants_degraded else None
    texts = _read_texts(folder / TEXTS)
    names = _read_texts(folder / NAMES) if imported else None
    if len(texts) != len(clean) or (degraded is not None and degraded.shape != clean.shape):
        raise DataError(f"{folder}: pictures and texts do not match", f"{len(clean)} pictures, {len(texts)} texts")
    if names is not None and len(names) != len(texts):
        raise DataError(f"{folder}: names and texts do not match", f"{len(names)} names, {len(texts)} texts")
    return LineSet(clean, degraded, texts, _alphabet_of(folder, settings), names, imported)


def write_set(folder: Path, lines: LineSet) -> None:
    """Fill the empty `folder` with the set, for `read_lines`."""
    np.save(folder / CLEAN, lines.clean, allow_pickle=False)
    if lines.degraded is not None:
        np.save(folder / DEGRADED, lines.degraded, allow_pickle=False)
    (folder / TEXTS).write_text(json.dumps(lines.texts, ensure_ascii=False), encoding="utf-8")
    names = lines.names or tuple(str(index) for index in range(len(lines)))
    (folder / NAMES).write_text(json.dumps(names, ensure_ascii=False), encoding="utf-8")
    kind = {IMPORTED: lines.imported, "degraded": lines.degraded is not None}
    write_json(folder / SETTINGS, {"schema": SCHEMA, **kind, ALPHABET: lines.alphabet.letters})


def _alphabet_of(folder: Path, settings: dict[str, Any]) -> Alphabet:
    """As written by an import; rendered sets need none."""
    letters = settings.get(ALPHABET, LOWERCASE.letters)
    try:
        return Alphabet(letters)
    except (TypeError, ValueError) as error:
        raise DataError(f"{folder / SETTINGS}: {ALPHABET}", str(error)) from error


def _read_pictures(path: Path) -> NDArray[np.uint8]:
    try:
        pictures = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise MissingFileError(path, "the pictures of a set of lines") from None
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: cannot be read", str(error)) from error
    if pictures.dtype != np.uint8 or pictures.ndim != 3 or not len(pictures):
        raise DataError(f"{path}: not pictures", f"uint8 [lines, height, width] expected, found {pictures.shape}")
    return np.asarray(pictures, np.uint8)


def _read_texts(path: Path) -> tuple[str, ...]:
    try:
        texts: Any = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise MissingFileError(path, "the texts of a set of lines") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read", str(error)) from error
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise DataError(f"{path}: not a list of texts")
    return tuple(texts)


def check_lines(lines: LineSet, alphabet: Alphabet, height: int, width: int, longest: int, steps: int) -> None:
    """Refuse what training would stumble over later: sizes, empty or unknown text, text no CTC path can spell.

    Unknown letters are refused in rendered lines only: there they are a mistake of ours, in people's lines they are life.
    """
    if lines.clean.shape[1:] != (height, width):
        raise DataError(f"lines are {lines.clean.shape[1]} x {lines.clean.shape[2]}, not {height} x {width}")
    for index, text in enumerate(lines.texts):
        doubles = sum(first == second for first, second in itertools.pairwise(text))
        if not text or len(text) > longest or len(text) + doubles > steps:
            raise DataError(f"line {index}: text of {len(text)} letters", f"1 to {longest} letters are possible")
        if not lines.imported and (unknown := alphabet.unknown_letters(text)):
            raise DataError(f"line {index}: letters that the alphabet lacks: {unknown!r}")
