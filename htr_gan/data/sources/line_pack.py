"""Line packs: a folder with `lines.tsv` and one picture a line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from htr_gan.data.sources.faults import FaultKind
from htr_gan.data.sources.pictures import UnreadablePictureError, read_grey
from htr_gan.data.sources.source_line import Reading, SourceLine, tidy_text
from htr_gan.data.sources.splits import split_named
from htr_gan.errors import DataError

INDEX = "lines.tsv"
FILE, TEXT, SPLIT, PAGE = "file", "transcription", "split", "page"
_WORDS = frozenset({FILE, TEXT, SPLIT, PAGE})


def index_of(path: Path) -> Path:
    """The index of a pack named by its folder or by the index itself."""
    return path / INDEX if path.is_dir() else path


def read_line_pack(path: Path, reading: Reading) -> Iterator[SourceLine]:
    """The lines of the pack in the order of its index; DataError if the index itself cannot be used."""
    index = index_of(path)
    rows = _rows(index)
    header = next(rows, [])
    if missing := [column for column in (FILE, TEXT) if column not in header]:
        raise DataError(f"{index}: columns missing: {', '.join(missing)}", f"found: {' '.join(header) or 'none'}")
    for number, row in enumerate(rows, start=2):
        if row == [""]:
            continue
        if len(row) != len(header):
            where = f"line {number} of {index.name}"
            reading.fault(FaultKind.BAD_RECORD, where, f"{len(row)} columns, {len(header)} expected")
            continue
        line = _line(index.parent, dict(zip(header, row, strict=True)), reading)
        if line is not None:
            yield line


def _rows(index: Path) -> Iterator[list[str]]:
    try:
        text = index.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{index}: not UTF-8 text", f"byte {error.start}") from None
    # Only line feeds end a row: the texts may hold other characters that Python takes for line ends.
    return (row.removesuffix("\r").split("\t") for row in text.split("\n"))


def _line(folder: Path, row: dict[str, str], reading: Reading) -> SourceLine | None:
    name = row[FILE]
    split = split_named(row.get(SPLIT, ""))
    if split is None and row.get(SPLIT):
        reading.fault(FaultKind.BAD_RECORD, name, f"unknown split {row[SPLIT]!r}")
        return None
    try:
        picture = read_grey(folder / name)
    except UnreadablePictureError as error:
        reading.fault(FaultKind.UNREADABLE_PICTURE, name, str(error))
        return None
    return SourceLine(name, picture, tidy_text(row[TEXT]), split, page=row.get(PAGE) or None, measures=_measures(row))


def _measures(row: dict[str, str]) -> dict[str, float]:
    """Every column that may hold a number; what is none there is NaN, which meets no condition."""
    return {column: _number(value) for column, value in row.items() if column not in _WORDS}


def _number(value: str) -> float:
    try:
        return float(value)
    except ValueError:
        return float("nan")
