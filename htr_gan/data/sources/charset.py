"""Charset files: one letter a line; its place in the file is its label, from 1, and 0 is the blank."""

from __future__ import annotations

import unicodedata
from pathlib import Path

from htr_gan.alphabet import Alphabet
from htr_gan.errors import MissingFileError, UsageError
from htr_gan.files import write_atomic


def read_charset(path: Path) -> Alphabet:
    """The letters in `path`; UsageError names every line that is not one letter of its own.

    The blank is added, not listed. A line that holds one space is the space; empty lines are passed over and take no
    label.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise MissingFileError(path, "data.charset should be a file with one letter a line") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8 text", f"byte {error.start}") from None
    letters: dict[str, int] = {}
    problems = []
    for number, raw in enumerate(text.split("\n"), start=1):
        letter = unicodedata.normalize("NFC", raw.removesuffix("\r"))
        if len(letter) > 1:
            problems.append(f"line {number}: {letter!r} is more than one letter")
        elif letter in letters:
            problems.append(f"line {number}: {letter!r} stands in line {letters[letter]} already")
        elif letter:
            letters[letter] = number
    if problems or not letters:
        raise UsageError(f"{path}: not a charset", "\n".join(problems) or "it is empty", "one letter a line, each once")
    return Alphabet("".join(letters))


def write_charset(alphabet: Alphabet, path: Path) -> None:
    """The letters, one a line, in the order of their labels."""
    write_atomic(path, "".join(f"{letter}\n" for letter in alphabet.letters).encode())
