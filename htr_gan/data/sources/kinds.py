"""Which kind of source a path is, and who reads it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from htr_gan.alphabet import Alphabet
from htr_gan.data.sources.faults import Faults
from htr_gan.data.sources.line_folder import is_line_folder, read_line_folder
from htr_gan.data.sources.line_pack import INDEX, read_line_pack
from htr_gan.data.sources.pages import is_page_file, read_pages
from htr_gan.data.sources.source_line import Reader, Reading
from htr_gan.data.sources.text_files import TEXT_ENDING, has_text_files, read_text_files
from htr_gan.data.sources.tfrecords import ENDINGS, read_tfrecords, record_files
from htr_gan.errors import MissingFileError, UsageError


@dataclass(frozen=True)
class Kind:
    """A kind of source."""

    name: str
    looks_like: str
    """For people, when a path is of no kind."""
    recognises: Callable[[Path], bool]
    read: Reader
    one_size: bool = False
    """Lines are stored at the size at which they are trained on."""


def _is_line_pack(path: Path) -> bool:
    return (path / INDEX).is_file() if path.is_dir() else path.name == INDEX


def _has_pages(path: Path) -> bool:
    return any(is_page_file(file) for file in path.rglob("*.xml")) if path.is_dir() else is_page_file(path)


KINDS = (
    Kind("line pack", f"a folder with {INDEX}", _is_line_pack, read_line_pack),
    Kind("lines of htr-gan", "a folder made by htr-gan data or import", is_line_folder, read_line_folder, True),
    Kind("TFRecord", f"a file or folder of *{ENDINGS[0]}", lambda path: bool(record_files(path)), read_tfrecords, True),
    Kind("pages", "PAGE or ALTO XML, a file or a folder, with the pictures of the pages", _has_pages, read_pages),
    Kind("text files", f"a folder of pictures with *{TEXT_ENDING}", has_text_files, read_text_files),
)
"""In the order in which they are tried."""


def kind_of(path: Path) -> Kind:
    """The kind of `path`; MissingFileError or UsageError if there is none."""
    if not path.exists():
        raise MissingFileError(path, "a source of lines")
    for kind in KINDS:
        if kind.recognises(path):
            return kind
    known = "; ".join(f"{kind.name}: {kind.looks_like}" for kind in KINDS)
    raise UsageError(f"{path}: no source of lines that is known", f"known are {known}")


def stored_size(path: Path, charset: Alphabet | None) -> tuple[int, int] | None:
    """Height and width of the lines of a source that keeps all at one size; None for other sources."""
    kind = kind_of(path)
    first = next(kind.read(path, Reading(Faults(), charset=charset)), None) if kind.one_size else None
    return None if first is None else (first.picture.shape[0], first.picture.shape[1])
